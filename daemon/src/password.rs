//! Hashes and checks passwords with Argon2id, off the async threads and at a bounded width: each run takes 19 MiB, and
//! a burst of requests must not take the machine.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// How many hashes are computed at once.
const WIDTH: usize = 2;

/// Why no hash came out.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The algorithm refused.
    #[error("a password could not be hashed: {0}")]
    Hash(String),
    /// The task died.
    #[error("a password task died")]
    Task(#[from] tokio::task::JoinError),
}

/// Where passwords are worked on. Clones share its width.
#[derive(Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WIDTH)))
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
        Ok(self
            .run(move || Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok())
            .await?)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        // The semaphore is never closed. The place is kept until the work is done, even if the caller goes away.
        let place = Arc::clone(&self.0).acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
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
}
