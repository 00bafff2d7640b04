//! Whether the loops still come round: from time to time all are asked, and each answers where it waits for its next
//! work, or says between two pieces of it that it goes on. One that is stuck does neither.
//!
//! What follows from silence is the asker's affair. A loop that nobody asks notices nothing.

use std::future::pending;

use tokio::sync::watch;

/// The asker's end.
#[derive(Default)]
pub struct Pulses {
    asked: watch::Sender<u64>,
    loops: Vec<(&'static str, watch::Receiver<u64>)>,
}

/// A loop's end. Clones answer for the same loop.
#[derive(Clone)]
pub struct Pulse {
    asked: watch::Receiver<u64>,
    answered: watch::Sender<u64>,
}

impl Pulses {
    /// A pulse for the loop of this name.
    pub fn pulse(&mut self, name: &'static str) -> Pulse {
        let answered = watch::Sender::new(0);
        self.loops.push((name, answered.subscribe()));
        Pulse { asked: self.asked.subscribe(), answered }
    }

    /// Asks every loop, and returns when each has answered. May be dropped, and tried again.
    pub async fn all_answer(&mut self) {
        self.asked.send_modify(|round| *round += 1);
        let round = *self.asked.borrow();
        for (_, answered) in &mut self.loops {
            if answered.wait_for(|answered| *answered >= round).await.is_err() {
                // It has ended without an answer.
                return pending().await;
            }
        }
    }

    /// Who has not answered what was asked last.
    pub fn silent(&self) -> Vec<&'static str> {
        let round = *self.asked.borrow();
        self.loops.iter().filter(|(_, answered)| *answered.borrow() < round).map(|(name, _)| *name).collect()
    }
}

impl Pulse {
    /// Waits for what is bounded by itself, or is nothing but waiting for work, and answers meanwhile.
    pub async fn while_waiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.asked.changed() => self.answer(),
                done = &mut work => return done,
            }
        }
    }

    /// Says between two pieces of work that the loop goes on.
    pub fn answer(&self) {
        self.answered.send_replace(*self.asked.borrow());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Nobody answers without being run meanwhile, however long it takes.
    const AT_ONCE: Duration = Duration::from_millis(1);
    const IN_TIME: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_loop_answers_while_it_waits_and_not_while_it_is_stuck() {
        let mut pulses = Pulses::default();
        let (mut waiting, _stuck) =
            (pulses.pulse("the one that waits"), pulses.pulse("the one that is stuck"));
        let waits = waiting.while_waiting(pending::<()>());
        let asks = timeout(AT_ONCE, pulses.all_answer());
        tokio::select! {
            () = waits => unreachable!("it waits for nothing"),
            asked = asks => assert!(asked.is_err()),
        }
        assert_eq!(pulses.silent(), ["the one that is stuck"]);
    }

    #[tokio::test]
    async fn an_old_answer_is_none_to_a_new_question() {
        let mut pulses = Pulses::default();
        let pulse = pulses.pulse("a loop");
        assert!(timeout(AT_ONCE, pulses.all_answer()).await.is_err());
        pulse.answer();
        assert_eq!(pulses.silent(), [""; 0]);
        assert!(timeout(AT_ONCE, pulses.all_answer()).await.is_err());
        assert_eq!(pulses.silent(), ["a loop"]);
    }

    #[tokio::test]
    async fn all_that_wait_answer_again_and_again() {
        let mut pulses = Pulses::default();
        let (mut one, mut other) = (pulses.pulse("one"), pulses.pulse("other"));
        let asks = async {
            for _ in 0..3 {
                pulses.all_answer().await;
            }
        };
        tokio::select! {
            () = one.while_waiting(pending()) => unreachable!("it waits for nothing"),
            () = other.while_waiting(pending()) => unreachable!("it waits for nothing"),
            asked = timeout(IN_TIME, asks) => assert!(asked.is_ok(), "nobody answers"),
        }
    }

    #[tokio::test]
    async fn a_loop_that_ended_does_not_answer() {
        let mut pulses = Pulses::default();
        drop(pulses.pulse("the one that ended"));
        assert!(timeout(AT_ONCE, pulses.all_answer()).await.is_err());
    }

    #[tokio::test]
    async fn a_loop_that_nobody_asks_does_its_work() {
        let mut pulse = Pulses::default().pulse("a loop");
        assert_eq!(pulse.while_waiting(async { 7 }).await, 7);
    }
}
