//! dev chain
