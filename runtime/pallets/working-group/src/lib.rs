//! Working groups: openings, applications, workers and leads.
