//! depot
