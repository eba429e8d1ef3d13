//! Documents of Microsoft's enhanced presence: state publications of an endpoint, and calendar data.

pub mod calendar;
pub mod state;
