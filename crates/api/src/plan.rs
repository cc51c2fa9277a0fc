//! Plans as JSON: what `headwater plan` prints and *explain* (S10) answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The plans of one client: by class (`components`, `settings`, `programs`), and for `policy`.
pub type PlanDocument = BTreeMap<String, ClassPlanDocument>;

/// The plan of one client for one class, or for the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClassPlanDocument {
    /// The sources, in the order they are tried.
    pub steps: Vec<StepDocument>,
    /// The entries passed over, in list order.
    pub skipped: Vec<SkippedDocument>,
    /// Why there is no source, and what to do. Absent if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unserved: Option<String>,
    /// Why no source of the plan has the organisation's own components, and what to do. Absent if one has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
}

/// One source of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepDocument {
    /// `update_agent:ID`, `url:NORMALISED`, `server` or `vendor`.
    pub source: String,
    /// Base URL.
    pub url: String,
    /// The entry that named it, from 1. `None` for a fallback.
    pub entry: Option<u32>,
    /// A message for people.
    pub reason: String,
}

/// One entry passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SkippedDocument {
    /// The entry, from 1.
    pub entry: u32,
    /// `selector`, `class`, `family`, `self`, `loop` or `repeat`.
    pub reason: String,
}
