//! HTML pages that need nothing but themselves: the timeline of a run, and a campaign.

pub mod campaign;
