//! ITU-T Y.1541 (12/2011), Table 1: classes 0 to 5.
//!
//! A class bounds mean transfer delay (IPTD), delay variation (IPDV: 99.9 % quantile less the minimum) and loss (IPLR) together.
//! The grade of a parameter is the strictest class whose bound it meets; the whole is the strictest class of which all known
//! bounds are met. Here a lower number is better, other than on the scales with indices. Classes 6 and 7 (provisional) need a
//! 1e-5 quantile, which captures of some minutes cannot show.

use super::scale::Scale;
use super::{Figures, Method};
use crate::model::{Grade, Grades, Overall};

/// IPTD ms, IPDV ms, IPLR as a ratio; infinite where the class leaves it unspecified.
const CLASSES: [(f64, f64, f64); 6] = [
    (100.0, 50.0, 1e-3),
    (400.0, 50.0, 1e-3),
    (100.0, f64::INFINITY, 1e-3),
    (400.0, f64::INFINITY, 1e-3),
    (1000.0, f64::INFINITY, 1e-3),
    (f64::INFINITY, f64::INFINITY, f64::INFINITY),
];

/// The scale.
pub fn scale() -> Scale {
    Scale {
        name: "y1541".to_owned(),
        reading: None,
        delay: Vec::new(),
        jitter: Vec::new(),
        loss: Vec::new(),
        throughput_percent: Vec::new(),
        throughput_kbps: Vec::new(),
        also: Vec::new(),
        labels: (0..=5).map(|c| (c, format!("Class {c}"), format!("Kelas {c}"))).collect(),
        overall: Vec::new(),
        notes: vec!["y1541-classes"],
        classes: true,
    }
}

/// Grades by class; `None` if neither delay, variation nor loss is known.
pub fn grade(scale: &Scale, figures: &Figures, method: Method) -> Option<Grades> {
    let meets = |value: Option<f64>, bound: f64| value.is_none_or(|v| v <= bound);
    let strictest = |ok: &dyn Fn(&(f64, f64, f64)) -> bool| CLASSES.iter().position(ok).unwrap_or(5) as u8;
    let label = |class: u8| Grade { index: class, label_en: format!("Class {class}"), label_id: format!("Kelas {class}") };
    let loss = figures.loss_percent.map(|p| p / 100.0);
    let known = [figures.delay_ms, figures.ipdv_ms, loss].iter().flatten().count() as u8;
    if known == 0 {
        return None;
    }
    let all = strictest(&|c| meets(figures.delay_ms, c.0) && meets(figures.ipdv_ms, c.1) && meets(loss, c.2));
    let mut notes: Vec<String> = scale.notes.iter().map(|n| (*n).to_owned()).collect();
    if known < 3 {
        notes.push("overall-incomplete".to_owned());
    }
    if figures.delay_is_rtt {
        notes.push("delay-is-rtt".to_owned());
    }
    Some(Grades {
        scale: scale.name.clone(),
        reading: None,
        method: method.name().to_owned(),
        throughput: None,
        delay: figures.delay_ms.map(|v| label(strictest(&|c| v <= c.0))),
        jitter: figures.ipdv_ms.map(|v| label(strictest(&|c| v <= c.1))),
        loss: loss.map(|v| label(strictest(&|c| v <= c.2))),
        overall: Some(Overall {
            index: f64::from(all),
            percent: (5.0 - f64::from(all)) / 5.0 * 100.0,
            label_en: format!("Class {all}"),
            label_id: format!("Kelas {all}"),
            parameters: known,
        }),
        also: Vec::new(),
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strictest_class_of_all_bounds() {
        let at = |delay, ipdv, loss| {
            let f = Figures { delay_ms: Some(delay), ipdv_ms: Some(ipdv), loss_percent: Some(loss), ..Figures::default() };
            let g = grade(&scale(), &f, Method::Rigorous).unwrap();
            (g.overall.unwrap().index, g.delay.unwrap().index, g.jitter.unwrap().index, g.loss.unwrap().index)
        };
        assert_eq!(at(20.0, 5.0, 0.0), (0.0, 0, 0, 0));
        assert_eq!(at(150.0, 5.0, 0.05), (1.0, 1, 0, 0));
        assert_eq!(at(20.0, 80.0, 0.1), (2.0, 0, 2, 0));
        assert_eq!(at(20.0, 5.0, 0.2), (5.0, 0, 0, 5));
        assert_eq!(at(900.0, 80.0, 0.0), (4.0, 4, 2, 0));
    }
}
