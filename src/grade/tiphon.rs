//! TIPHON after ETSI TR 101 329, as commonly used in Indonesia.

use super::scale::{Band, Bound, Scale};

fn bands(of: &[(Bound, u8)]) -> Vec<Band> {
    of.iter().map(|&(bound, index)| Band { bound, index }).collect()
}

fn loss_ceilings() -> Vec<Band> {
    bands(&[(Bound::AtMost(0.0), 4), (Bound::AtMost(3.0), 3), (Bound::AtMost(15.0), 2), (Bound::Rest, 1)])
}

fn loss_floors() -> Vec<Band> {
    bands(&[(Bound::Below(3.0), 4), (Bound::Below(15.0), 3), (Bound::Below(25.0), 2), (Bound::Rest, 1)])
}

fn kbps() -> Vec<Band> {
    bands(&[(Bound::Above(2100.0), 4), (Bound::Above(1200.0), 3), (Bound::Above(700.0), 2), (Bound::Above(338.0), 1), (Bound::Rest, 0)])
}

fn scale(name: &str, reading: &str, loss: Vec<Band>, other: (&'static str, &'static str, Vec<Band>)) -> Scale {
    let label = |i: u8, en: &str, id: &str| (i, en.to_owned(), id.to_owned());
    let overall = |least: f64, en: &str, id: &str| (least, en.to_owned(), id.to_owned());
    Scale {
        name: name.to_owned(),
        reading: Some(reading.to_owned()),
        delay: bands(&[(Bound::Below(150.0), 4), (Bound::Below(300.0), 3), (Bound::Below(450.0), 2), (Bound::Rest, 1)]),
        jitter: bands(&[(Bound::AtMost(0.0), 4), (Bound::Below(75.0), 3), (Bound::Below(125.0), 2), (Bound::Rest, 1)]),
        loss,
        throughput_percent: bands(&[(Bound::Above(75.0), 4), (Bound::Above(50.0), 3), (Bound::Above(25.0), 2), (Bound::Rest, 1)]),
        throughput_kbps: kbps(),
        also: vec![other, ("throughput", "absolute", kbps())],
        labels: vec![
            label(4, "Excellent", "Sangat Bagus"),
            label(3, "Good", "Bagus"),
            label(2, "Fair", "Sedang"),
            label(1, "Poor", "Jelek"),
            label(0, "Bad", "Buruk"),
        ],
        overall: vec![
            overall(3.8, "Very satisfactory", "Sangat Memuaskan"),
            overall(3.0, "Satisfactory", "Memuaskan"),
            overall(2.0, "Less satisfactory", "Kurang Memuaskan"),
            overall(f64::NEG_INFINITY, "Poor", "Jelek"),
        ],
        notes: vec!["tiphon-source", "jitter-never-zero"],
        classes: false,
    }
}

/// Points of the loss row are ceilings: "up to 3 % is Bagus".
pub fn ceilings() -> Scale {
    scale("tiphon", "ceilings", loss_ceilings(), ("loss", "floors", loss_floors()))
}

/// Points of the loss row are floors: "Sangat Bagus until 3 %".
pub fn floors() -> Scale {
    scale("tiphon-floors", "floors", loss_floors(), ("loss", "ceilings", loss_ceilings()))
}

#[cfg(test)]
mod tests {
    use super::super::{Figures, Method};
    use super::*;

    fn index(scale: &Scale, set: impl FnOnce(&mut Figures)) -> u8 {
        let mut figures = Figures::default();
        set(&mut figures);
        let g = scale.grade(&figures, Method::Rigorous).unwrap();
        [g.delay, g.jitter, g.loss, g.throughput].into_iter().flatten().next().unwrap().index
    }

    #[test]
    fn borders_are_half_open() {
        let s = ceilings();
        for (ms, want) in [(0.0, 4), (149.999, 4), (150.0, 3), (299.9, 3), (300.0, 2), (449.9, 2), (450.0, 1), (9e9, 1)] {
            assert_eq!(index(&s, |f| f.delay_ms = Some(ms)), want, "delay {ms}");
        }
        for (ms, want) in [(0.0, 4), (1e-9, 3), (74.9, 3), (75.0, 2), (124.9, 2), (125.0, 1), (226.0, 1)] {
            assert_eq!(index(&s, |f| f.jitter_ms = Some(ms)), want, "jitter {ms}");
        }
        for (p, ceil, floor) in
            [(0.0, 4, 4), (0.5, 3, 4), (3.0, 3, 3), (3.1, 2, 3), (5.0, 2, 3), (15.0, 2, 2), (15.1, 1, 2), (25.0, 1, 1), (100.0, 1, 1)]
        {
            assert_eq!(index(&s, |f| f.loss_percent = Some(p)), ceil, "loss {p}");
            assert_eq!(index(&floors(), |f| f.loss_percent = Some(p)), floor, "loss {p}");
        }
        for (kbps, want) in [(2100.1, 4), (2100.0, 3), (1200.0, 2), (700.0, 1), (338.0, 0), (0.0, 0)] {
            assert_eq!(index(&s, |f| f.throughput_bps = Some(kbps * 1000.0)), want, "{kbps} kbit/s");
        }
        for (percent, want) in [(100.0, 4), (75.1, 4), (75.0, 3), (50.0, 2), (25.0, 1), (0.0, 1)] {
            assert_eq!(index(&s, |f| f.percent_of_link = Some(percent)), want, "{percent} %");
        }
    }

    #[test]
    fn the_other_reading_is_told_where_it_differs() {
        let figures = Figures { loss_percent: Some(5.0), ..Figures::default() };
        let g = ceilings().grade(&figures, Method::Rigorous).unwrap();
        assert_eq!((g.loss.unwrap().index, g.also[0].reading.as_str(), g.also[0].index), (2, "floors", 3));
        let same = Figures { loss_percent: Some(0.0), ..Figures::default() };
        assert!(ceilings().grade(&same, Method::Rigorous).unwrap().also.is_empty());
    }

    #[test]
    fn best_practical_mean_is_3_75() {
        let figures = Figures {
            throughput_bps: Some(1e9),
            delay_ms: Some(1.0),
            jitter_ms: Some(0.0352),
            loss_percent: Some(0.0),
            ..Figures::default()
        };
        let overall = ceilings().grade(&figures, Method::Rigorous).unwrap().overall.unwrap();
        assert_eq!((overall.index, overall.percent, overall.label_id.as_str()), (3.75, 93.75, "Memuaskan"));
    }

    #[test]
    fn unknown_figures_are_left_out_and_said() {
        assert!(ceilings().grade(&Figures::default(), Method::Rigorous).is_none());
        let one = Figures { delay_ms: Some(1.0), ..Figures::default() };
        let g = ceilings().grade(&one, Method::Rigorous).unwrap();
        assert_eq!(g.overall.unwrap().parameters, 1);
        assert!(g.notes.iter().any(|n| n == "overall-incomplete"));
    }
}
