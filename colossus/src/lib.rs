//! Colossus, the storage node: takes uploads, verifies them against the chain, keeps and replicates them.
