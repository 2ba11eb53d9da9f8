//! Frames that prove the downtime, in the order of time.

use super::{Bound, Inputs};
use crate::flow::Moment;
use crate::model;

/// Collects evidence of one migration.
pub(super) struct Evidence<'a> {
    inputs: &'a Inputs<'a>,
    list: Vec<model::Evidence>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(inputs: &'a Inputs<'a>) -> Self {
        Self { inputs, list: Vec::new() }
    }

    /// A frame of a point, by the point's index.
    pub(super) fn add(&mut self, what: impl Into<String>, point: usize, moment: Moment) {
        let view = &self.inputs.points[point];
        let frame = moment.place.frame;
        self.list.push(model::Evidence {
            what: what.into(),
            point: view.name.name().to_owned(),
            file: view.files.get(usize::from(moment.place.file)).cloned().unwrap_or_default(),
            frame,
            time: Some(view.reference(moment.at)),
            filter: format!("frame.number == {frame}"),
        });
    }

    pub(super) fn add_all(&mut self, bounds: Vec<Bound>) {
        for bound in bounds {
            self.add(bound.what, bound.point, bound.moment);
        }
    }

    pub(super) fn finish(mut self) -> Vec<model::Evidence> {
        self.list.sort_by_key(|e| e.time);
        self.list.dedup_by(|a, b| a.what == b.what && a.file == b.file && a.frame == b.frame);
        self.list
    }
}
