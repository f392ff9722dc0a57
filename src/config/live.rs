//! The configuration while the server runs: what holds now, behind one cheap handle, and who hears of a change.

use super::{Config, Loaded, Mistake, Mistakes, checks, mistake::Origin};
use arc_swap::{ArcSwap, Guard};
use std::{
    collections::BTreeMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};
use toml::Value;

/// What the database keeps, by full name such as `limits.public_per_minute`.
pub type Stored = BTreeMap<String, Value>;

type Subscriber = Box<dyn Fn(&Config) + Send + Sync>;

/// The configuration as it stands. Clones share it.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    loaded: ArcSwap<Loaded>,
    subscribers: Mutex<Vec<Subscriber>>,
}

/// The configuration at one moment.
pub struct Current(Guard<Arc<Loaded>>);

impl Deref for Current {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0.config
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl From<Config> for Live {
    fn from(config: Config) -> Self {
        Self::new(Loaded { config, ..Loaded::default() })
    }
}

impl Live {
    pub fn new(loaded: Loaded) -> Self {
        Self(Arc::new(Shared { loaded: ArcSwap::from_pointee(loaded), subscribers: Mutex::default() }))
    }

    /// What holds now: a few nanoseconds. Not to be kept; the next request asks again.
    pub fn load(&self) -> Current {
        Current(self.0.loaded.load())
    }

    /// What holds now, with where it came from.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.0.loaded.load_full()
    }

    /// Calls `subscriber` now and after each change, for what is computed ahead. It must not block.
    pub fn subscribe(&self, subscriber: impl Fn(&Config) + Send + Sync + 'static) {
        let mut subscribers = self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscriber(&self.load());
        subscribers.push(Box::new(subscriber));
    }

    /// Puts what was checked into force.
    pub fn set(&self, loaded: Loaded) {
        let subscribers = self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.loaded.store(Arc::new(loaded));
        let current = self.load();
        subscribers.iter().for_each(|subscriber| subscriber(&current));
    }
}

impl Loaded {
    /// The same sources with what the database keeps between the file and the environment.
    pub fn with_stored(&self, stored: &Stored) -> Result<Self, Mistakes> {
        let mut layers = self.given.clone();
        for (full, value) in stored {
            layers.add_stored(full, value);
        }
        let config = Config::take(&mut layers);
        checks::check(&config, &mut layers);
        match layers.into_parts() {
            (origins, mistakes) if mistakes.is_empty() => Ok(Self { config, origins, given: self.given.clone() }),
            (_, mistakes) => Err(Mistakes(mistakes)),
        }
    }

    /// What of `stored` is legal beside the other sources, as another version or another file may have made some
    /// of it illegal; and what is wrong with the rest.
    pub fn legal_part(&self, stored: &Stored) -> (Stored, Vec<Mistake>) {
        let mut legal = stored.clone();
        let mut wrong = Vec::new();
        while let Err(Mistakes(mistakes)) = self.with_stored(&legal) {
            let known = legal.len();
            for mistake in mistakes {
                if legal.remove(&mistake.key).is_some() {
                    wrong.push(mistake);
                }
            }
            if legal.len() == known {
                return self.legal_one_by_one(&legal, wrong);
            }
        }
        (legal, wrong)
    }

    /// For rules between keys that name one which is not stored.
    fn legal_one_by_one(&self, stored: &Stored, mut wrong: Vec<Mistake>) -> (Stored, Vec<Mistake>) {
        let mut legal = Stored::new();
        for (full, value) in stored {
            legal.insert(full.clone(), value.clone());
            if let Err(mistakes) = self.with_stored(&legal) {
                legal.remove(full);
                let message = mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                wrong.push(Mistake { key: full.clone(), value: None, origin: Origin::Database, message });
            }
        }
        (legal, wrong)
    }

    /// Where a value comes from when the database says nothing.
    pub(super) fn given_origin(&self, full: &str) -> Origin {
        self.given.origin(full)
    }
}
