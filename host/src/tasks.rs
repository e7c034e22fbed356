//! Tasks that end together: one word stops them all, and who said it can wait until they are gone.

use std::future::Future;
use tokio::sync::{mpsc, watch};

/// Spawns tasks that end at the common stop.
#[derive(Debug, Clone)]
pub struct Tasks {
    stop: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
}

/// Says stop.
#[derive(Debug)]
pub struct Stopper {
    stop: watch::Sender<bool>,
    alive: mpsc::Receiver<()>,
}

/// A spawner and its end.
#[must_use]
pub fn tasks() -> (Tasks, Stopper) {
    let (stop, stopped) = watch::channel(false);
    let (alive, gone) = mpsc::channel(1);
    let tasks = Tasks {
        stop: stopped,
        alive,
    };
    (tasks, Stopper { stop, alive: gone })
}

impl Tasks {
    /// Runs a task until it ends or the stop comes; then it is dropped where it waits.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (mut stop, alive) = (self.stop.clone(), self.alive.clone());
        tokio::spawn(async move {
            let _alive = alive;
            tokio::select! {
                biased;
                () = task => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

impl Stopper {
    /// Stops every task and waits until all are gone.
    pub async fn stop(mut self, tasks: Tasks) {
        drop(tasks);
        self.stop.send_replace(true);
        while self.alive.recv().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn after_a_stop_no_task_holds_anything() {
        let (tasks, stopper) = tasks();
        let held = Arc::new(());
        for _ in 0..3 {
            let own = Arc::clone(&held);
            tasks.spawn(async move {
                std::future::pending::<()>().await;
                drop(own);
            });
        }
        stopper.stop(tasks).await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
