//! What matters most, in one sentence: how the migration ended and whether the VM answered after it.

use super::words::Words;
use crate::model::{Downtime, Migration, Report, Run, ServiceWindow};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Good,
    /// Something to know.
    Notice,
    /// Something broke.
    Bad,
}

impl Severity {
    /// As a fixed word for style sheets.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Notice => "notice",
            Self::Bad => "bad",
        }
    }
}

/// The sentence and how bad it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// How bad it is.
    pub severity: Severity,
    /// The sentence, unescaped.
    pub text: String,
}

/// What is known of the VM's service after one migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Every window has an end, or there is none.
    Recovered,
    /// Some services were still out when the capture ended.
    Partly {
        /// Services still out.
        open: usize,
        /// Services that had a window.
        all: usize,
    },
    /// Nothing came back.
    Never,
}

/// Windows without service that the migration caused and that were still open when the capture ended.
pub fn open_windows(migration: &Migration) -> impl Iterator<Item = &ServiceWindow> {
    migration.downtime.service.iter().filter(|window| !window.recovered && window.cause != "other")
}

/// What came back after `migration`.
pub fn after(migration: &Migration) -> After {
    let mut services: Vec<(&str, &str)> = Vec::new();
    let mut open: Vec<(&str, &str)> = Vec::new();
    for window in migration.downtime.service.iter().filter(|window| window.cause != "other") {
        let key = (window.service.as_str(), window.client.as_str());
        if !services.contains(&key) {
            services.push(key);
        }
        if !window.recovered && !open.contains(&key) {
            open.push(key);
        }
    }
    match (migration.downtime.network.recovered, open.len()) {
        (Some(false), _) => After::Never,
        (_, 0) => After::Recovered,
        // The network window says that the VM was heard again: then it was not "never", whatever the services say.
        (Some(true), open) => After::Partly { open, all: services.len() },
        (None, n) if n == services.len() => After::Never,
        (None, open) => After::Partly { open, all: services.len() },
    }
}

/// The scenario, who says so, and what the traffic says to it where it was given.
pub fn scenario(run: &Run, words: Words) -> String {
    let mut said = format!("{} ({}", words.name("scenario", &run.scenario), words.name("source", &run.scenario_source));
    match run.scenario_inferred.as_deref() {
        None => {}
        Some("unknown") => said.push_str(words.t("doc.scenario-untold")),
        Some(same) if same == run.scenario => said.push_str(words.t("doc.scenario-same")),
        Some(other) => said.push_str(&words.fill("doc.scenario-other", &[("other", &words.name("scenario", other))])),
    }
    said + ")"
}

/// The sentence for the whole run.
pub fn headline(report: &Report, words: Words) -> Headline {
    match report.migrations.as_slice() {
        [] if report.coverage.packets == 0 => Headline { severity: Severity::Bad, text: words.t("headline.no-packets").to_owned() },
        [] => without_migration(report.downtime.as_ref(), words),
        [one] => of_one(one, words),
        many => of_many(many, words),
    }
}

fn without_migration(downtime: Option<&Downtime>, words: Words) -> Headline {
    let network = downtime.map(|d| &d.network);
    match network.map(|n| (n.recovered, &n.ms)) {
        Some((Some(false), _)) => Headline { severity: Severity::Bad, text: words.t("headline.no-migration-never").to_owned() },
        Some((_, Some(ms))) => {
            let text = words.fill("headline.no-migration-network", &[("network", &words.ms_parts(ms).0)]);
            Headline { severity: Severity::Notice, text }
        }
        _ => Headline { severity: Severity::Notice, text: words.t("headline.no-migration").to_owned() },
    }
}

/// The sentence for one migration.
pub fn of_one(migration: &Migration, words: Words) -> Headline {
    let announced = migration.detected_by == Migration::ANNOUNCED;
    let outcome = words.name("headline", if announced { "announced" } else { &migration.outcome }).into_owned();
    let worst = match migration.outcome.as_str() {
        "completed" => Severity::Good,
        "cancelled" => Severity::Notice,
        _ if announced => Severity::Notice,
        _ => Severity::Bad,
    };
    match after(migration) {
        After::Never => {
            // An open window has no length but the one up to the end of the capture, which the services' windows tell too.
            let open = open_windows(migration).filter_map(|window| window.ms).reduce(f64::max);
            let text = match migration.downtime.network.ms.map(|ms| ms.lower).or(open) {
                Some(ms) => words.fill("headline.never-for", &[("outcome", &outcome), ("ms", &words.ms(ms).text())]),
                None => words.fill("headline.never", &[("outcome", &outcome)]),
            };
            Headline { severity: Severity::Bad, text }
        }
        After::Partly { open, all } => {
            let mut names: Vec<String> = Vec::new();
            for window in open_windows(migration) {
                let name = words.name("service", &window.service).into_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let holes =
                [("outcome", outcome.as_str()), ("open", &open.to_string()), ("all", &all.to_string()), ("names", &words.list(&names))];
            Headline { severity: Severity::Bad, text: words.fill("headline.partly", &holes) }
        }
        After::Recovered => Headline { severity: worst, text: recovered(migration, &outcome, words) },
    }
}

fn recovered(migration: &Migration, outcome: &str, words: Words) -> String {
    let downtime = &migration.downtime;
    let (vm, network) = (&downtime.vm.ms, &downtime.network.ms);
    match (vm, network) {
        (Some(vm), Some(network)) => {
            words.fill("headline.both", &[("outcome", outcome), ("vm", &words.ms_parts(vm).0), ("network", &words.ms_parts(network).0)])
        }
        (Some(vm), None) => words.fill("headline.vm", &[("outcome", outcome), ("vm", &words.ms_parts(vm).0)]),
        (None, Some(network)) => words.fill("headline.network", &[("outcome", outcome), ("network", &words.ms_parts(network).0)]),
        (None, None) if migration.outcome == "completed" => words.fill("headline.unknown", &[("outcome", outcome)]),
        (None, None) => match &migration.total_ms {
            Some(total) => words.fill("headline.after", &[("outcome", outcome), ("ms", &words.ms_parts(total).0)]),
            None => words.fill("headline.plain", &[("outcome", outcome)]),
        },
    }
}

fn of_many(migrations: &[Migration], words: Words) -> Headline {
    let mut outcomes: Vec<(&str, usize)> = Vec::new();
    for migration in migrations {
        match outcomes.iter_mut().find(|(outcome, _)| *outcome == migration.outcome) {
            Some((_, n)) => *n += 1,
            None => outcomes.push((&migration.outcome, 1)),
        }
    }
    let parts: Vec<String> = outcomes.iter().map(|(outcome, n)| format!("{n} {}", words.name("outcome", outcome))).collect();
    let severity = migrations.iter().map(|migration| of_one(migration, words).severity).max().unwrap_or(Severity::Notice);
    let mut text = words.fill("headline.many", &[("n", &migrations.len().to_string()), ("outcomes", &words.list(&parts))]);
    let never: Vec<String> = migrations.iter().filter(|m| after(m) == After::Never).map(|m| m.id.to_string()).collect();
    let partly: Vec<String> = migrations.iter().filter(|m| matches!(after(m), After::Partly { .. })).map(|m| m.id.to_string()).collect();
    if !never.is_empty() {
        text.push_str(&words.fill("headline.many-never", &[("ids", &words.list(&never))]));
    } else if !partly.is_empty() {
        text.push_str(&words.fill("headline.many-partly", &[("ids", &words.list(&partly))]));
    }
    Headline { severity, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::interval::Interval;
    use crate::model::Coverage;
    use crate::report::Lang;

    const EN: Words = Words::new(Lang::En);

    fn window(service: &str, recovered: bool, cause: &str) -> ServiceWindow {
        ServiceWindow { service: service.into(), recovered, cause: cause.into(), ..ServiceWindow::default() }
    }

    fn completed(windows: Vec<ServiceWindow>, network: Option<bool>) -> Migration {
        let mut m = Migration { id: 1, outcome: "completed".into(), ..Migration::default() };
        m.downtime.service = windows;
        m.downtime.network.recovered = network;
        m
    }

    #[test]
    fn a_dead_guest_comes_before_all_else() {
        let mut m = completed(vec![window("icmp", false, "migration")], Some(false));
        assert_eq!(after(&m), After::Never);
        assert_eq!(of_one(&m, EN).text, "Completed, but the VM never answered again");
        m.downtime.network.ms = Some(Interval { lower: 12_000.0, estimate: 12_000.0, upper: 13_000.0 });
        let said = of_one(&m, EN);
        assert_eq!(said.text, "Completed, but the VM never answered again: silent for 12.00 s, until the capture ended");
        assert_eq!(said.severity, Severity::Bad);
        // Windows of another cause say nothing of the migration.
        assert_eq!(after(&completed(vec![window("icmp", false, "other")], None)), After::Recovered);
        assert_eq!(after(&completed(vec![window("icmp", false, "migration")], None)), After::Never);
    }

    #[test]
    fn some_services_out_is_not_all_out() {
        let m = completed(vec![window("icmp", true, "migration"), window("http", false, "migration")], Some(true));
        assert_eq!(after(&m), After::Partly { open: 1, all: 2 });
        assert_eq!(of_one(&m, EN).text, "Completed, but 1 of 2 services had not come back when the capture ended: HTTP");
        let m = completed(vec![window("http", false, "migration")], Some(true));
        assert_eq!(after(&m), After::Partly { open: 1, all: 1 });
    }

    #[test]
    fn nothing_found_is_said() {
        let mut report = Report::default();
        assert_eq!(headline(&report, EN).text, "No packet was read");
        report.coverage = Coverage { packets: 5, ..Coverage::default() };
        assert_eq!(headline(&report, EN).text, "No migration was found in these captures");
    }

    #[test]
    fn several_are_summed_with_the_worst_named() {
        let mut report = Report::default();
        report.migrations.push(Migration { id: 1, outcome: "cancelled".into(), ..Migration::default() });
        report.migrations.push(completed(vec![window("icmp", false, "migration")], Some(false)));
        report.migrations[1].id = 2;
        let said = headline(&report, EN);
        assert_eq!(said.text, "2 migrations: 1 cancelled and 1 completed; after number 2 the VM never answered again");
        assert_eq!(said.severity, Severity::Bad);
    }
}
