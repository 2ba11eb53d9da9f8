//! The table of quality of service, with both sets of grades.

use super::super::Sheet;
use super::some;
use crate::model::{Grade, Grades, Qos, Report};

/// Name, meaning and value of a column.
type Of<T> = (&'static str, &'static str, fn(&Qos) -> Option<T>);

pub(super) fn qos(report: &Report) -> Sheet {
    let rows = &report.qos;
    let mut s = Sheet::new("qos", "quality of one path and service in one phase", &report.run.name, rows.len());
    let texts: [Of<String>; 5] = [
        ("phase", "before, during, after or whole", |q| some(&q.phase)),
        ("service", "all, icmp, http, video, …", |q| some(&q.service)),
        ("from", "sender: a role or vm", |q| some(&q.from)),
        ("to", "receiver: a role or vm", |q| some(&q.to)),
        ("measured_at", "point of throughput and of the thesis figures", |q| some(&q.measured_at)),
    ];
    for (name, what, of) in texts {
        s.text(name, what, rows.iter().map(of));
    }
    s.float("phase_s", "length of the phase", rows.iter().map(|q| Some(q.seconds)));
    s.count("packets", "packets", rows.iter().map(|q| Some(q.packets)));
    throughput(&mut s, rows);
    delay(&mut s, rows);
    loss(&mut s, rows);
    thesis(&mut s, rows);
    for (names, of) in [(GRADES, (|q| q.grades.as_ref()) as Pick), (THESIS_GRADES, |q| q.thesis_grades.as_ref())] {
        grades(&mut s, rows, names, of);
    }
    s
}

fn throughput(s: &mut Sheet, rows: &[Qos]) {
    s.float("throughput_bps", "bits of frames on the wire per second", rows.iter().map(|q| q.throughput.bps));
    s.float("goodput_bps", "bits of new payload per second", rows.iter().map(|q| q.throughput.goodput_bps));
    s.float("peak_bps", "highest throughput over one window", rows.iter().map(|q| q.throughput.peak_bps));
    s.float("peak_window_ms", "length of that window", rows.iter().map(|q| q.throughput.peak_window_ms));
    s.float("of_link_percent", "share of the given bandwidth of the link", rows.iter().map(|q| q.throughput.percent_of_link));
    s.text("throughput_why", "why it is unknown, or a caveat", rows.iter().map(|q| q.throughput.why.clone()));
}

fn delay(s: &mut Sheet, rows: &[Qos]) {
    s.text("delay_method", "one-way or rtt", rows.iter().map(|q| q.delay.method.clone()));
    let values: [Of<f64>; 8] = [
        ("delay_min_ms", "minimum delay", |q| q.delay.min_ms),
        ("delay_mean_ms", "mean delay", |q| q.delay.mean_ms),
        ("delay_p50_ms", "median delay", |q| q.delay.p50_ms),
        ("delay_p95_ms", "95th percentile of delay", |q| q.delay.p95_ms),
        ("delay_p99_ms", "99th percentile of delay", |q| q.delay.p99_ms),
        ("delay_p999_ms", "99.9th percentile of delay", |q| q.delay.p999_ms),
        ("delay_max_ms", "maximum delay", |q| q.delay.max_ms),
        ("delay_uncertainty_ms", "± of each delay, from the clocks", |q| q.delay.uncertainty_ms),
    ];
    for (name, what, of) in values {
        s.float(name, what, rows.iter().map(of));
    }
    s.count("delay_samples", "samples of delay", rows.iter().map(|q| Some(q.delay.samples)));
    s.text("delay_why", "why it is unknown, or a caveat", rows.iter().map(|q| q.delay.why.clone()));
    s.text("jitter_method", "rfc3393 or rfc3550", rows.iter().map(|q| q.jitter.method.clone()));
    s.float("jitter_mean_ms", "mean absolute delay variation", rows.iter().map(|q| q.jitter.mean_ms));
    s.float("jitter_p99_ms", "99th percentile of the absolute variation", rows.iter().map(|q| q.jitter.p99_ms));
    s.float("jitter_rfc3550_ms", "smoothed figure of RFC 3550, averaged", rows.iter().map(|q| q.jitter.rfc3550_ms));
    s.count("jitter_samples", "samples of variation", rows.iter().map(|q| Some(q.jitter.samples)));
    s.text("jitter_why", "why it is unknown, or a caveat", rows.iter().map(|q| q.jitter.why.clone()));
}

fn loss(s: &mut Sheet, rows: &[Qos]) {
    s.text("loss_method", "matched, tcp, icmp or rtp", rows.iter().map(|q| q.loss.method.clone()));
    s.float("loss_percent", "lost over expected", rows.iter().map(|q| q.loss.percent));
    let counts: [Of<u64>; 7] = [
        ("lost_packets", "dropped by the network", |q| q.loss.lost),
        ("expected_packets", "packets that should have arrived", |q| q.loss.expected),
        ("misdelivered_packets", "reached the node that the VM had left or not yet reached", |q| q.loss.misdelivered),
        ("not_captured_packets", "proven delivered but in no capture", |q| q.loss.not_captured),
        ("retransmitted_packets", "sent again", |q| q.loss.retransmitted),
        ("reordered_packets", "arrived late", |q| q.loss.reordered),
        ("ambiguous_packets", "copies whose cause the evidence does not tell", |q| q.loss.ambiguous),
    ];
    for (name, what, of) in counts {
        s.count(name, what, rows.iter().map(of));
    }
    s.text("loss_why", "why it is unknown, or a caveat", rows.iter().map(|q| q.loss.why.clone()));
}

fn thesis(s: &mut Sheet, rows: &[Qos]) {
    s.float("thesis_throughput_bps", "bytes over the time span of the packets", rows.iter().map(|q| q.thesis.throughput_bps));
    s.float("thesis_delay_ms", "mean gap between packets; no delay", rows.iter().map(|q| q.thesis.delay_ms));
    s.float("thesis_jitter_ms", "mean absolute variation of the gaps", rows.iter().map(|q| q.thesis.jitter_ms));
    s.float("thesis_jitter_signed_ms", "the same with signs: it telescopes", rows.iter().map(|q| q.thesis.jitter_signed_ms));
    s.float("thesis_loss_percent", "previous segment not captured, over packets", rows.iter().map(|q| q.thesis.loss_percent));
    s.text("thesis_why", "why it is unknown", rows.iter().map(|q| q.thesis.why.clone()));
}

type Pick = fn(&Qos) -> Option<&Grades>;

/// Names of the columns of one set of grades.
struct Names {
    scale: &'static str,
    reading: &'static str,
    method: &'static str,
    indices: [&'static str; 4],
    overall: [&'static str; 3],
    parameters: &'static str,
    notes: &'static str,
}

const GRADES: Names = Names {
    scale: "scale",
    reading: "reading",
    method: "graded_figures",
    indices: ["throughput_index", "delay_index", "jitter_index", "loss_index"],
    overall: ["overall_index", "overall_percent", "overall_label"],
    parameters: "overall_parameters",
    notes: "grade_notes",
};

const THESIS_GRADES: Names = Names {
    scale: "other_scale",
    reading: "other_reading",
    method: "other_graded_figures",
    indices: ["other_throughput_index", "other_delay_index", "other_jitter_index", "other_loss_index"],
    overall: ["other_overall_index", "other_overall_percent", "other_overall_label"],
    parameters: "other_overall_parameters",
    notes: "other_grade_notes",
};

fn grades(s: &mut Sheet, rows: &[Qos], names: Names, of: Pick) {
    s.text(names.scale, "scale of the grades", rows.iter().map(|q| of(q).map(|g| g.scale.clone())));
    s.text(names.reading, "reading of the scale's loss row", rows.iter().map(|q| of(q).and_then(|g| g.reading.clone())));
    s.text(names.method, "which figures were graded: rigorous or thesis", rows.iter().map(|q| of(q).map(|g| g.method.clone())));
    let picks: [fn(&Grades) -> Option<&Grade>; 4] =
        [|g| g.throughput.as_ref(), |g| g.delay.as_ref(), |g| g.jitter.as_ref(), |g| g.loss.as_ref()];
    for (name, pick) in names.indices.into_iter().zip(picks) {
        s.count(name, "index, 4 is best", rows.iter().map(|q| of(q).and_then(pick).map(|grade| grade.index.into())));
    }
    let overall = |q: &Qos| of(q).and_then(|g| g.overall.clone());
    s.float(names.overall[0], "mean of the indices", rows.iter().map(|q| overall(q).map(|o| o.index)));
    s.float(names.overall[1], "mean over 4, in percent", rows.iter().map(|q| overall(q).map(|o| o.percent)));
    s.text(names.overall[2], "its label in English", rows.iter().map(|q| overall(q).map(|o| o.label_en)));
    s.count(names.parameters, "how many parameters it averages", rows.iter().map(|q| overall(q).map(|o| o.parameters.into())));
    s.text(names.notes, "keys of the footnotes, separated by spaces", rows.iter().map(|q| of(q).map(|g| g.notes.join(" "))));
}
