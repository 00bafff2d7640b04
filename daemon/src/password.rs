//! Hashes and checks passwords with Argon2id, off the async threads and at a bounded width: each run takes 19 MiB, and
//! a burst of requests must not take the machine.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// How many hashes are computed at once.
const WIDTH: usize = 2;
/// How many more may wait: a second's work. Beyond that it is better to say so than to let everybody wait.
const QUEUE: usize = 64;

/// Why no hash came out.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The algorithm refused.
    #[error("a password could not be hashed: {0}")]
    Hash(String),
    /// Too many wait already.
    #[error("too many passwords wait to be worked on")]
    Busy,
    /// The task died.
    #[error("a password task died")]
    Task(#[from] tokio::task::JoinError),
}

/// Where passwords are worked on. Clones share its width and its queue.
#[derive(Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(WIDTH)), queue: Arc::new(Semaphore::new(WIDTH + QUEUE)) }
    }
}

impl Passwords {
    /// The PHC string of a password under 16 bytes of random salt.
    pub async fn hash(&self, password: Zeroizing<String>, salt: [u8; 16]) -> Result<String, PasswordError> {
        self.run(move || {
            let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| PasswordError::Hash(error.to_string()))
        })
        .await?
    }

    /// Whether a password belongs to a PHC string.
    pub async fn verify(&self, password: Zeroizing<String>, hash: String) -> Result<bool, PasswordError> {
        self.run(move || Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok()).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        // The semaphore is never closed. Both places are kept until the work is done, even if the caller goes away.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            let _places = (queued, place);
            work()
        });
        Ok(work.await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_belongs_to_its_hash() {
        let passwords = Passwords::default();
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let hash = passwords.hash(secret(" pass word "), [7; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify(secret(" pass word "), hash.clone()).await.unwrap());
        assert!(!passwords.verify(secret("pass word"), hash).await.unwrap());
    }

    #[tokio::test]
    async fn a_flood_is_refused_instead_of_queued_without_end() {
        let passwords = Passwords::default();
        let (done, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WIDTH + QUEUE {
            let (passwords, gate) = (passwords.clone(), Arc::clone(&gate));
            waiting.spawn(async move { passwords.run(move || gate.lock().unwrap().recv().is_err()).await });
        }
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(passwords.run(|| ()).await, Err(PasswordError::Busy)));
        drop(done);
        let finished = waiting.join_all().await;
        assert!(finished.len() == WIDTH + QUEUE && finished.iter().all(Result::is_ok));
        assert!(passwords.run(|| ()).await.is_ok());
    }
}
