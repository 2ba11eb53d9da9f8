//! Several capture points on one clock: packets followed from point to point, clocks aligned, downtime proven.
