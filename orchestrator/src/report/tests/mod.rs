//! Shows a run of tests: `lines` for people, `messages` as JSON, `junit` as a file. Each gets the same
//! stream of events.

mod junit;
mod lines;
mod messages;

pub use junit::Junit;
pub use lines::TestLines;
pub use messages::TestMessages;

use crate::test_runner::{TestEvent, TestList, TestSink};

/// Passes each event to several sinks, in order.
#[derive(Default)]
pub struct TestFanout<'a> {
    sinks: Vec<&'a mut dyn TestSink>,
}

impl<'a> TestFanout<'a> {
    pub fn push(&mut self, sink: &'a mut dyn TestSink) {
        self.sinks.push(sink);
    }
}

impl TestSink for TestFanout<'_> {
    fn event(&mut self, list: &TestList, event: &TestEvent<'_>) {
        for sink in &mut self.sinks {
            sink.event(list, event);
        }
    }
}
