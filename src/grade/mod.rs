//! Grades: measured figures on the scales that readers know.
