//! The report in every format. Knows only `base` and `model`.
