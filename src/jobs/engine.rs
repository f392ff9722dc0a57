//! Claims due jobs, runs them within their limits and notes how they ended.

use super::{
    INTERRUPT, WORK,
    handler::{self, Attempt, Context, Handler},
    progress::Progress,
    schedule::Schedule,
    store::{self, Claimed, End},
};
use crate::{
    clock::Clock,
    cron::Cron,
    error::{Error, Result},
    ids::Id,
    storage::{Db, Tx, Writer},
};
use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time};

/// Whether jobs may run now. The kill switch answers it.
pub trait MayRun: Send + Sync {
    fn may_run(&self) -> bool;
}

/// The limits of a job.
#[derive(Clone, Debug)]
pub struct Policy {
    pub tries: u32,
    /// The longest an attempt may take.
    pub timeout: Duration,
    /// The wait after the first failed attempt; it doubles from there.
    pub back_off: Duration,
    /// Jobs that run at the same time, at most.
    pub at_once: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { tries: 3, timeout: Duration::from_secs(30), back_off: Duration::from_secs(10), at_once: 4 }
    }
}

/// A clock that is moved is noticed after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
const PAUSED: Duration = Duration::from_secs(1);
const CLEAN_UP: &str = "jobs.clean_up";
const HOUR: Duration = Duration::from_secs(3600);

/// Knows the kinds of jobs, until it is started.
pub struct Engine(Shared);

struct Shared {
    writer: Writer,
    db: Db,
    clock: Clock,
    policy: Policy,
    may_run: Option<Arc<dyn MayRun>>,
    handlers: HashMap<&'static str, Handler>,
    /// The first is for whatever has none of its own.
    lanes: Vec<Lane>,
    schedules: HashMap<&'static str, Schedule>,
    /// Kinds whose attempts may take longer than the policy says.
    timeouts: HashMap<&'static str, Duration>,
    running: Mutex<HashMap<Id, Started>>,
}

/// Kinds that share the room for jobs at the same time.
struct Lane {
    kinds: Vec<&'static str>,
    at_once: usize,
}

#[derive(Clone, Copy)]
struct Started {
    attempt: u32,
    lane: usize,
}

impl Engine {
    /// An engine that cleans up behind itself.
    pub fn new(writer: Writer, db: Db, clock: Clock) -> Self {
        let mut engine = Self(Shared {
            writer: writer.clone(),
            db,
            clock: clock.clone(),
            policy: Policy::default(),
            may_run: None,
            handlers: HashMap::new(),
            lanes: vec![Lane { kinds: Vec::new(), at_once: Policy::default().at_once }],
            schedules: HashMap::new(),
            timeouts: HashMap::new(),
            running: Mutex::default(),
        });
        engine.register(CLEAN_UP, move |(), _| clean_up(writer.clone(), clock.clone()));
        engine.schedule(CLEAN_UP, HOUR);
        engine
    }

    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.0.lanes[0].at_once = policy.at_once;
        self.0.policy = policy;
        self
    }

    /// Asks before each claim; what runs already is let finish.
    pub fn ask(mut self, may_run: Arc<dyn MayRun>) -> Self {
        self.0.may_run = Some(may_run);
        self
    }

    /// Runs jobs of this kind with `handler`, which must not block and may run more than once per job.
    pub fn register<P, F, Fut>(&mut self, kind: &'static str, handler: F)
    where
        P: DeserializeOwned,
        F: Fn(P, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.add(kind, handler::asynchronous(handler));
    }

    /// [`Engine::register`] for work that blocks. It has to look at [`Context::is_cancelled`] when it takes long.
    pub fn register_blocking<P, F>(&mut self, kind: &'static str, handler: F)
    where
        P: DeserializeOwned + Send + 'static,
        F: Fn(P, Context) -> Result<()> + Send + Sync + 'static,
    {
        self.add(kind, handler::blocking(handler));
    }

    fn add(&mut self, kind: &'static str, handler: Handler) {
        if self.0.handlers.insert(kind, handler).is_none() {
            self.0.lanes[0].kinds.push(kind);
        }
    }

    /// Gives a kind that was registered room of its own, so that however long its jobs take, others do not wait.
    pub fn set_apart(&mut self, kind: &'static str, at_once: usize) {
        self.0.lanes[0].kinds.retain(|other| *other != kind);
        self.0.lanes.push(Lane { kinds: vec![kind], at_once });
    }

    /// Keeps one job of this kind coming: at once when there is none yet, then `every` so often after the last
    /// one ended. Its handler takes `()`.
    pub fn schedule(&mut self, kind: &'static str, every: Duration) {
        self.0.schedules.insert(kind, Schedule::Every(every));
    }

    /// [`Engine::schedule`] when a cron expression says so. What fell due while nothing ran is made up for once.
    pub fn schedule_at(&mut self, kind: &'static str, cron: Cron) {
        self.0.schedules.insert(kind, Schedule::At(cron));
    }

    /// Lets attempts of this kind take up to `timeout`.
    pub fn allow_time(&mut self, kind: &'static str, timeout: Duration) {
        self.0.timeouts.insert(kind, timeout);
    }

    /// Takes up what a crash left behind and starts working.
    pub async fn start(self) -> Result<Running> {
        let shared = Arc::new(self.0);
        let (now, tries) = (shared.clock.now(), shared.policy.tries);
        let scheduled: Vec<_> = shared.schedules.keys().copied().collect();
        let prepare = move |tx: &Tx<'_>| {
            store::take_up(tx, now, tries)?;
            store::drop_unscheduled(tx, &scheduled)
        };
        shared.writer.write(prepare).await?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(work(shared.clone(), stopped));
        Ok(Running { shared, stop, task })
    }
}

/// A started engine.
pub struct Running {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<JoinSet<()>>,
}

impl Running {
    /// Claims nothing more, waits up to `grace` for what runs, and hands back the rest: that attempt does not count.
    pub async fn shutdown(self, grace: Duration) {
        let _ = self.stop.send(true);
        let Ok(mut attempts) = self.task.await else { return };
        let _ = time::timeout(grace, async { while attempts.join_next().await.is_some() {} }).await;
        attempts.shutdown().await;
        let left: Vec<_> = self.shared.running().drain().map(|(id, started)| (id, started.attempt)).collect();
        if left.is_empty() {
            return;
        }
        let now = self.shared.clock.now();
        if let Err(error) = self.shared.writer.write(move |tx| store::hand_back(tx, &left, now)).await {
            tracing::warn!(?error, "running jobs could not be handed back; the next start takes them up");
        }
    }
}

async fn work(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) -> JoinSet<()> {
    let mut attempts = JoinSet::new();
    while !*stopped.borrow_and_update() {
        let mut woken = std::pin::pin!(WORK.notified());
        woken.as_mut().enable();
        let pause = shared.start_due(&mut attempts).await.unwrap_or_else(|error| {
            tracing::error!(?error, "due jobs could not be claimed; trying again shortly");
            PAUSED
        });
        tokio::select! {
            told = stopped.changed() => if told.is_err() { break },
            () = woken => {}
            Some(_) = attempts.join_next() => {}
            () = time::sleep(pause) => {}
        }
    }
    attempts
}

impl Shared {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Started>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is due, as far as there is room; how long to wait before looking again.
    async fn start_due(self: &Arc<Self>, attempts: &mut JoinSet<()>) -> Result<Duration> {
        if self.may_run.as_ref().is_some_and(|may_run| !may_run.may_run()) {
            return Ok(PAUSED);
        }
        self.keep_schedules().await?;
        while attempts.try_join_next().is_some() {}
        let mut pause = LOOK_AGAIN;
        for (number, lane) in self.lanes.iter().enumerate() {
            pause = pause.min(self.start_lane(number, lane, attempts).await?);
        }
        Ok(pause)
    }

    async fn start_lane(self: &Arc<Self>, number: usize, lane: &Lane, attempts: &mut JoinSet<()>) -> Result<Duration> {
        if lane.kinds.is_empty() {
            return Ok(LOOK_AGAIN);
        }
        let busy = self.running().values().filter(|started| started.lane == number).count();
        let room = lane.at_once.saturating_sub(busy);
        let now = self.clock.now();
        match self.db.read(|r| store::next_due(r, &lane.kinds))? {
            Some(due) if due > now => return Ok(due.since(now).min(LOOK_AGAIN)),
            Some(_) if room > 0 => {}
            _ => return Ok(LOOK_AGAIN),
        }
        let kinds = lane.kinds.clone();
        let claimed = self.writer.write(move |tx| store::claim(tx, &kinds, now, room)).await?;
        for job in claimed {
            self.running().insert(job.id, Started { attempt: job.attempt, lane: number });
            attempts.spawn(self.clone().attempt(job));
        }
        Ok(Duration::ZERO)
    }

    async fn keep_schedules(&self) -> Result<()> {
        for (&kind, schedule) in &self.schedules {
            let now = self.clock.now();
            let (first, latest) = (schedule.first(now), schedule.next(now));
            if self.db.read(|r| store::off_schedule(r, kind, latest))? {
                self.writer.write(move |tx| store::put_on_schedule(tx, kind, first, latest, now)).await?;
            }
        }
        Ok(())
    }

    /// One try of one job, and the note of how it ended.
    async fn attempt(self: Arc<Self>, job: Claimed) {
        let outcome = self.run(&job).await;
        if let Ended::Failed(error) = &outcome {
            tracing::warn!(job = %job.id, kind = job.kind, attempt = job.attempt, ?error, "a job failed");
        }
        let (job, outcome) = (Arc::new(job), Arc::new(outcome));
        while let Err(cause) = self.conclude(job.clone(), outcome.clone()).await {
            tracing::error!(job = %job.id, error = ?cause, "the end of a job could not be written; trying again");
            time::sleep(PAUSED).await;
        }
        self.running().remove(&job.id);
    }

    async fn run(&self, job: &Claimed) -> Ended {
        let Some(handler) = self.handlers.get(&*job.kind) else {
            return Ended::Failed(Error::internal("no handler for this kind of job"));
        };
        let ended = Arc::new(AtomicBool::new(false));
        let _attempt = Attempt(ended.clone());
        let context = Context {
            id: job.id,
            attempt: job.attempt,
            is_last: self.is_last(job),
            ended,
            progress: Progress::new(self.writer.clone(), self.clock.clone(), job.id, job.attempt),
        };
        let timeout = self.timeouts.get(&*job.kind).copied().unwrap_or(self.policy.timeout);
        let guarded = AssertUnwindSafe(async { handler(&job.payload, context).await }).catch_unwind();
        tokio::select! {
            outcome = time::timeout(timeout, guarded) => match outcome {
                Ok(Ok(Ok(()))) => Ended::Done,
                Ok(Ok(Err(error))) => Ended::Failed(error),
                Ok(Err(_)) => Ended::Failed(Error::internal("the job panicked")),
                Err(_) => Ended::Failed(Error::unavailable(format!("The job took longer than {timeout:?}."))),
            },
            () = self.cancelled(job.id) => Ended::Cancelled,
        }
    }

    /// Ends when somebody wants the attempt to end.
    async fn cancelled(&self, id: Id) {
        loop {
            let mut interrupted = std::pin::pin!(INTERRUPT.notified());
            interrupted.as_mut().enable();
            if self.db.read(|r| store::is_cancelling(r, id)).unwrap_or(false) {
                return;
            }
            interrupted.await;
        }
    }

    fn is_last(&self, job: &Claimed) -> bool {
        job.attempt - job.earlier >= self.policy.tries
    }

    async fn conclude(&self, job: Arc<Claimed>, outcome: Arc<Ended>) -> Result<()> {
        let now = self.clock.now();
        let again = matches!(*outcome, Ended::Failed(_)) && !self.is_last(&job);
        let tries = (job.attempt - job.earlier).saturating_sub(1).min(16);
        let retry = again.then(|| now.plus(self.policy.back_off.saturating_mul(1 << tries)));
        let next = self.schedules.get_key_value(&*job.kind).map(|(&kind, schedule)| (kind, schedule.next(now)));
        let next = next.filter(|_| !again);
        self.writer
            .write(move |tx: &Tx<'_>| {
                match &*outcome {
                    Ended::Done => store::conclude(tx, &job, &End::Done, now)?,
                    Ended::Failed(error) => {
                        let told = error.to_string().chars().take(1000).collect::<String>();
                        store::conclude(tx, &job, &End::Failed(&told, retry), now)?
                    }
                    Ended::Cancelled => store::conclude(tx, &job, &End::Cancelled, now)?,
                };
                next.map_or(Ok(()), |(kind, due)| store::put_on_schedule(tx, kind, due, due, now))
            })
            .await
    }
}

/// How an attempt ended.
enum Ended {
    Done,
    Failed(Error),
    Cancelled,
}

async fn clean_up(writer: Writer, clock: Clock) -> Result<()> {
    const AT_ONCE: usize = 1_000;
    let now = clock.now();
    while writer.write(move |tx| store::remove_finished(tx, now, AT_ONCE)).await? == AT_ONCE {}
    Ok(())
}
