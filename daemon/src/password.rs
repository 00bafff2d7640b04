//! Hashes and checks passwords with Argon2id, off the async threads and at a bounded width: each run takes 19 MiB, and
//! a burst of requests must not take the machine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use argon2::password_hash::Error as HashError;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

/// How many hashes are computed at once.
const WIDTH: usize = 2;
/// How many more may wait: a second's work. Beyond that it is better to say so than to let everybody wait.
const QUEUE: usize = 64;

/// What passwords are compared with where there is no account: made as all others are, of 32 random bytes.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YSjAI9/NLdVwZ1R+bkeSXA$aZF8m2BlSYgnHzlatoNUsVdCySCfEOyW/eAe3qIUqDU";

/// Why no hash came out.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The algorithm refused.
    #[error("a password could not be hashed: {0}")]
    Hash(String),
    /// Too many wait already.
    #[error("too many passwords wait to be worked on")]
    Busy,
    /// What worked on it.
    #[error("a thread that works on passwords died, or could not be started")]
    Died,
}

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// Where passwords are worked on. Clones share its threads and its queue.
#[derive(Clone)]
pub struct Passwords {
    queue: Arc<Semaphore>,
    work: mpsc::Sender<Work>,
    count: Arc<AtomicU64>,
}

impl Default for Passwords {
    /// With threads of its own, and each with its own memory.
    fn default() -> Self {
        let (work, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..WIDTH {
            let waiting = Arc::clone(&waiting);
            // One that does not start leaves the work to the other; without any, whoever wants some is told.
            let _ = thread::Builder::new().name("passwords".to_owned()).spawn(move || work_through(&waiting));
        }
        Self { queue: Arc::new(Semaphore::new(WIDTH + QUEUE)), work, count: Arc::default() }
    }
}

/// Until nobody can bring any more.
fn work_through(waiting: &Mutex<mpsc::Receiver<Work>>) {
    let mut memory = Memory::default();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // Whoever waits for it hears that it died; the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| work(&mut memory)));
    }
}

/// What a thread works in: 19 MiB, taken once. Taken for each password anew, the C library was seen to keep 58 MiB of them in
/// each of five places.
#[derive(Default)]
struct Memory(Vec<Block>);

impl Memory {
    fn hash(&mut self, password: &[u8], salt: &[u8]) -> Result<String, HashError> {
        let params = Params::default();
        let (algorithm, version) = (Algorithm::default(), Version::default());
        let argon2 = Argon2::new(algorithm, version, params.clone());
        let hash = PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            hash: Some(self.output(&argon2, password, salt, Params::DEFAULT_OUTPUT_LEN)?),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(salt)?),
        };
        Ok(hash.to_string())
    }

    /// With the parameters that are in the PHC string, compared in constant time.
    fn verify(&mut self, password: &[u8], hash: &str) -> Result<bool, HashError> {
        let hash = PasswordHash::new(hash)?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
        let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Ok(false) };
        Ok(self.output(&argon2, password, &salt, expected.len())? == expected)
    }

    fn output(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Result<Output, HashError> {
        let needed = argon2.params().block_count();
        if self.0.len() < needed {
            self.0 = vec![Block::default(); needed];
        }
        let blocks = self.0.get_mut(..needed).unwrap_or_default();
        let mut buffer = [0; Output::MAX_LENGTH];
        let out = buffer.get_mut(..length).ok_or(HashError::OutputSize)?;
        argon2.hash_password_into_with_memory(password, salt, out, blocks)?;
        Ok(Output::new(out)?)
    }
}

impl Passwords {
    /// The PHC string of a password under 16 bytes of random salt.
    pub async fn hash(&self, password: Zeroizing<String>, salt: [u8; 16]) -> Result<String, PasswordError> {
        self.run(move |memory| {
            memory.hash(password.as_bytes(), &salt).map_err(|error| PasswordError::Hash(error.to_string()))
        })
        .await?
    }

    /// Whether a password belongs to a PHC string. None belongs to none, and that takes as long to find out.
    pub async fn verify(
        &self,
        password: Zeroizing<String>,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let is_any = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
        let belongs = self.run(move |memory| memory.verify(password.as_bytes(), &hash).unwrap_or(false));
        Ok(belongs.await? && is_any)
    }

    /// How many passwords were worked on so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let (answer, answered) = oneshot::channel();
        // The place is kept until the work is done, even if the caller goes away.
        let count = Arc::clone(&self.count);
        let work = move |memory: &mut Memory| {
            let _queued = queued;
            count.fetch_add(1, Ordering::Relaxed);
            let _ = answer.send(work(memory));
        };
        self.work.send(Box::new(work)).map_err(|_| PasswordError::Died)?;
        answered.await.map_err(|_| PasswordError::Died)
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
        assert!(passwords.verify(secret(" pass word "), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(secret("pass word"), Some(hash)).await.unwrap());
    }

    /// Or whoever measures learns whether there is an account.
    #[tokio::test]
    async fn what_stands_for_nobodys_password_takes_the_same_work_as_any() {
        let passwords = Passwords::default();
        let fresh = passwords.hash(Zeroizing::new("x".to_owned()), [7; 16]).await.unwrap();
        let shape = |hash: &str| {
            let parts: Vec<&str> = hash.split('$').collect();
            (parts[..4].join("$"), parts[4].len(), parts[5].len(), parts.len())
        };
        assert_eq!(shape(NOBODYS), shape(&fresh));
        assert!(!passwords.verify(Zeroizing::new("x".to_owned()), None).await.unwrap());
        assert_eq!(passwords.count(), 2);
    }

    #[tokio::test]
    async fn however_many_threads_there_are_only_so_many_work_on_passwords() {
        let mut others = tokio::task::JoinSet::new();
        for _ in 0..20 {
            others.spawn_blocking(|| thread::sleep(std::time::Duration::from_millis(20)));
        }
        others.join_all().await;
        let passwords = Passwords::default();
        let mut threads = tokio::task::JoinSet::new();
        for _ in 0..WIDTH + QUEUE {
            let passwords = passwords.clone();
            threads.spawn(async move { passwords.run(|_| thread::current().id()).await.unwrap() });
        }
        let threads: std::collections::HashSet<_> = threads.join_all().await.into_iter().collect();
        assert!(threads.len() <= WIDTH, "{threads:?}");
    }

    /// Or what the C library keeps for each of them grows with every thread and every hour.
    #[tokio::test]
    async fn a_thread_takes_its_memory_once() {
        let passwords = Passwords::default();
        let mut taken = std::collections::BTreeSet::new();
        let mut others = Vec::new();
        for round in 0..12 {
            let place = passwords
                .run(move |memory| {
                    memory.hash(b"some password", &[round; 16]).unwrap();
                    (memory.0.as_ptr().addr(), memory.0.len())
                })
                .await
                .unwrap();
            others.push(vec![round; 5_000_000]);
            taken.insert(place);
        }
        assert!(taken.len() <= WIDTH, "{taken:?}");
        assert!(taken.iter().all(|(_, blocks)| *blocks == Params::default().block_count()));
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_worked_out_with_those() {
        use argon2::password_hash::PasswordHasher as _;
        let (salt, passwords) = ([7; 16], Passwords::default());
        for params in [Params::new(8, 1, 1, None), Params::new(30_000, 1, 2, Some(24))] {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.unwrap());
            let hash = argon2.hash_password_with_salt(b"secret", &salt).unwrap().to_string();
            let verify = |text: &str| passwords.verify(Zeroizing::new(text.to_owned()), Some(hash.clone()));
            assert!(verify("secret").await.unwrap(), "{hash}");
            assert!(!verify("another").await.unwrap(), "{hash}");
        }
        let ours = passwords.hash(Zeroizing::new("secret".to_owned()), salt).await.unwrap();
        assert_eq!(ours, Argon2::default().hash_password_with_salt(b"secret", &salt).unwrap().to_string());
    }

    #[tokio::test]
    async fn work_that_dies_is_told_and_the_next_is_done() {
        let passwords = Passwords::default();
        for _ in 0..=WIDTH {
            assert!(matches!(
                passwords.run(|_| panic!("on purpose")).await,
                Err::<(), _>(PasswordError::Died)
            ));
        }
        assert!(passwords.run(|_| ()).await.is_ok());
        let all = u32::try_from(WIDTH + QUEUE).unwrap();
        let back =
            tokio::time::timeout(std::time::Duration::from_secs(30), passwords.queue.acquire_many(all)).await;
        assert!(back.is_ok_and(|back| back.is_ok()), "a place in the queue is lost");
    }

    #[tokio::test]
    async fn a_flood_is_refused_instead_of_queued_without_end() {
        let passwords = Passwords::default();
        let (done, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WIDTH + QUEUE {
            let (passwords, gate) = (passwords.clone(), Arc::clone(&gate));
            waiting.spawn(async move { passwords.run(move |_| gate.lock().unwrap().recv().is_err()).await });
        }
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(passwords.run(|_| ()).await, Err(PasswordError::Busy)));
        drop(done);
        let finished = waiting.join_all().await;
        assert!(finished.len() == WIDTH + QUEUE && finished.iter().all(Result::is_ok));
        assert!(passwords.run(|_| ()).await.is_ok());
    }
}
