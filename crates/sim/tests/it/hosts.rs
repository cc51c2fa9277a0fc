//! Scenarios on separate hosts, each asserted from the clients' reports.

mod network;
