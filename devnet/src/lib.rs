//! The development network: the whole system on one machine by one command.
