//! The data directory: bags, data objects, storage and distribution buckets.
