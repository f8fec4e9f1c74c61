//! Every call and public function: what it refuses, in which order, and what it does.

mod bags;
mod distribution;
mod leads;
mod objects;
mod sequences;
mod storage_buckets;
