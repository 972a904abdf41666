//! A sink that passes each event to several sinks, in order.

use crate::events::{Event, Sink};
use crate::graph::Graph;

#[derive(Default)]
pub struct Fanout {
    sinks: Vec<Box<dyn Sink>>,
}

impl Fanout {
    pub fn push(&mut self, sink: impl Sink + 'static) {
        self.sinks.push(Box::new(sink));
    }
}

impl Sink for Fanout {
    fn event(&mut self, graph: &Graph, event: &Event) {
        for sink in &mut self.sinks {
            sink.event(graph, event);
        }
    }

    fn tick(&mut self, graph: &Graph) {
        for sink in &mut self.sinks {
            sink.tick(graph);
        }
    }

    fn suspend(&mut self) {
        for sink in &mut self.sinks {
            sink.suspend();
        }
    }
}
