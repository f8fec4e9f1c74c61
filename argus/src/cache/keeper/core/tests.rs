//! Tables and a seeded run of the keeper.
