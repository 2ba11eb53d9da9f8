//! The clocks of the capture points against each other, while packets stream by.
//!
//! A packet that travels from point x to point y shows `Δ = t_y − t_x = θ + d`, θ the difference of the clocks and d > 0 the
//! delay; one that travels back shows `Δ = θ − d`. So the lowest Δ one way and the highest the other way enclose θ, however
//! the delays vary. This file collects those extremes, and keeps a running estimate good enough to read the points in step;
//! [`super::clock_solve`] draws the lines at the end.

use hashbrown::HashMap;

use super::clock_bins::Extremes;
use crate::base::clock::ClockChoice;
use crate::base::role::Role;
use crate::base::time::{NS_PER_S, Timestamp};

/// Pairs of hosts per pair of points whose packets are used; those met first, which is enough: one good pair of hosts decides.
const CONVERSATIONS: usize = 8;
/// Packets that two points must share before their clocks count as related.
const LINKED: u64 = 3;
/// Span over which the running estimate takes its extremes.
const RECENT_NS: i64 = NS_PER_S / 2;

/// What two points' common packets of one pair of hosts say.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// Lowest and highest Δ over time: of packets from the lower address, from the higher.
    pub ways: [Extremes; 2],
    /// Packets that a third point saw before either of the two: they did not travel between them.
    pub aside: u64,
    /// Packets whose order among the points was looked at.
    pub judged: u64,
}

impl Conversation {
    /// Packets used.
    pub fn samples(&self) -> u64 {
        self.ways[0].samples + self.ways[1].samples
    }
}

/// Two points, the lower index first.
#[derive(Debug, Default)]
pub struct Pair {
    index: HashMap<u32, usize>,
    /// By pair of hosts.
    pub conversations: Vec<Conversation>,
    /// Packets of pairs of hosts beyond the bound.
    pub beyond: u64,
    samples: u64,
    /// Running estimate of θ.
    theta: Option<i64>,
    renew_at: i64,
}

/// The clocks of all points.
#[derive(Debug)]
pub struct Clocks {
    points: usize,
    pairs: Vec<Pair>,
    /// To be added to each point's time; right within the group of the point.
    offsets: Vec<i64>,
    groups: Vec<usize>,
    /// The point whose clock is the reference.
    pub reference: usize,
    /// How clocks are related.
    pub choice: ClockChoice,
}

impl Clocks {
    /// For points with these roles: the source node is the reference, else the client, else the first point.
    pub fn new(roles: &[Role], choice: ClockChoice) -> Self {
        let points = roles.len();
        let find = |role| roles.iter().position(|r| *r == role);
        let reference = find(Role::Source).or_else(|| find(Role::Client)).unwrap_or(0);
        let offsets = roles.iter().map(|role| given(&choice, *role).unwrap_or(0)).collect();
        let apart = choice == ClockChoice::Estimate;
        let groups = (0..points).map(|p| if apart { p } else { 0 }).collect();
        Self { points, pairs: (0..points * points).map(|_| Pair::default()).collect(), offsets, groups, reference, choice }
    }

    /// A first guess of how much later the clock of `q` is than that of `p`, the lower of the two; packets that both saw will replace it.
    pub fn hint(&mut self, p: usize, q: usize, theta: i64) {
        if self.choice == ClockChoice::Estimate && p < q && q < self.points {
            self.pairs[p * self.points + q].theta = Some(theta);
            self.relate();
        }
    }

    /// How much later the clock of `q` is than that of `p`, as far as is known while reading.
    pub fn theta(&self, p: usize, q: usize) -> Option<i64> {
        self.pair(p, q).theta.map(|theta| if p < q { theta } else { -theta })
    }

    /// The pair of two points, with the lower index first.
    pub fn pair(&self, x: usize, y: usize) -> &Pair {
        &self.pairs[x.min(y) * self.points + x.max(y)]
    }

    /// Takes a packet that was surely the same at both points. `hosts` names the unordered pair of its addresses, `way` which
    /// of them sent it.
    pub fn sample(&mut self, (p, at_p): (usize, Timestamp), (q, at_q): (usize, Timestamp), hosts: u32, way: usize) {
        let (x, at_x, y, at_y) = if p < q { (p, at_p, q, at_q) } else { (q, at_q, p, at_p) };
        let delta = (at_y - at_x).0;
        let pair = &mut self.pairs[x * self.points + y];
        let next = pair.conversations.len();
        let slot = *pair.index.entry(hosts).or_insert(next);
        if slot == next {
            if next >= CONVERSATIONS {
                pair.index.remove(&hosts);
                pair.beyond += 1;
                return;
            }
            pair.conversations.push(Conversation::default());
        }
        pair.conversations[slot].ways[way].add(at_x, delta);
        pair.samples += 1;
        let early = pair.samples >= LINKED && pair.samples < 64;
        if early || (pair.samples >= LINKED && at_x.0 >= pair.renew_at) {
            pair.renew_at = at_x.0.saturating_add(RECENT_NS / 4);
            pair.renew(at_x);
            if self.choice == ClockChoice::Estimate {
                self.relate();
            }
        }
    }

    /// Takes note that a third point was, or was not, the first to see a packet that points p and q share.
    pub fn aside(&mut self, p: usize, q: usize, hosts: u32, aside: bool) {
        let pair = &mut self.pairs[p.min(q) * self.points + p.max(q)];
        if let Some(&slot) = pair.index.get(&hosts) {
            let conversation = &mut pair.conversations[slot];
            conversation.judged += 1;
            conversation.aside += u64::from(aside);
        }
    }

    /// Nanoseconds to be added to each point's time at present.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Points with equal numbers have related clocks.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// True if all points' clocks are related.
    pub fn all_related(&self) -> bool {
        self.groups.windows(2).all(|g| g[0] == g[1])
    }

    /// Offsets along the links with the most samples, from the reference outward; then the same for what is not linked to it.
    fn relate(&mut self) {
        let mut done = vec![false; self.points];
        for root in std::iter::once(self.reference).chain(0..self.points) {
            if std::mem::replace(&mut done[root], true) {
                continue;
            }
            self.groups[root] = root;
            self.offsets[root] = 0;
            while let Some((p, q, theta)) = self.strongest(&done, root) {
                done[q] = true;
                self.groups[q] = root;
                self.offsets[q] = self.offsets[p].saturating_sub(theta);
            }
        }
    }

    /// The link with the most samples from a point of `root`'s group to one that is not done; θ of the latter against the former.
    fn strongest(&self, done: &[bool], root: usize) -> Option<(usize, usize, i64)> {
        let inside = (0..self.points).filter(|&p| done[p] && self.groups[p] == root);
        inside
            .flat_map(|p| (0..self.points).filter(|&q| !done[q]).map(move |q| (p, q)))
            .filter_map(|(p, q)| {
                let pair = self.pair(p, q);
                let theta = pair.theta?;
                Some((pair.samples, p, q, if p < q { theta } else { -theta }))
            })
            .max()
            .map(|(_, p, q, theta)| (p, q, theta))
    }
}

impl Pair {
    /// Estimates θ anew from the pair of hosts with the most packets both ways, or any if there is none.
    fn renew(&mut self, now: Timestamp) {
        let best = self.conversations.iter().max_by_key(|c| (c.ways[0].samples.min(c.ways[1].samples), c.samples()));
        let Some(best) = best else { return };
        let since = Timestamp(now.0.saturating_sub(RECENT_NS));
        match (best.ways[0].recent(since), best.ways[1].recent(since)) {
            (Some(a), Some(b)) => {
                // The way whose Δ is larger leads from x to y.
                let (forth, back) = if a.0 / 2 + a.1 / 2 >= b.0 / 2 + b.1 / 2 { (a, b) } else { (b, a) };
                self.theta = Some(forth.0 / 2 + back.1 / 2);
            }
            (Some(a), None) | (None, Some(a)) if self.theta.is_none() => self.theta = Some(a.0 / 2 + a.1 / 2),
            _ => {}
        }
    }
}

/// What the user said of a role's clock.
pub fn given(choice: &ClockChoice, role: Role) -> Option<i64> {
    match choice {
        ClockChoice::Given(list) => list.iter().find(|(r, _)| *r == role).map(|(_, offset)| offset.0),
        _ => None,
    }
}
