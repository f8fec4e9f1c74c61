//! Argus, the edge cache: fetches verified ranges, keeps what is wanted, streams to viewers.
