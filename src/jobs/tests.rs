use super::*;
use crate::{
    clock::Clock,
    params,
    storage::{Db, Options, Writer, open},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

struct Place {
    _folder: tempfile::TempDir,
    db: Db,
    writer: Writer,
    clock: Clock,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (db, writer) = open(folder.path(), &Options::default()).unwrap();
    Place { _folder: folder, db, writer, clock: Clock::movable() }
}

impl Place {
    fn engine(&self) -> Engine {
        Engine::new(self.writer.clone(), self.db.clone(), self.clock.clone()).with_policy(Policy {
            timeout: Duration::from_millis(200),
            back_off: Duration::from_millis(1),
            ..Policy::default()
        })
    }

    async fn enqueue(&self, payload: u32) -> Id {
        let now = self.clock.now();
        self.writer.write(move |tx| enqueue(tx, "test", &payload, now)).await.unwrap()
    }

    fn state(&self, id: Id) -> (String, u32, Option<String>) {
        let sql = "SELECT state, attempts, error FROM jobs WHERE id = ?1";
        self.db
            .read(|r| r.query_one(sql, params![id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))))
            .unwrap()
            .unwrap()
    }

    async fn reaches(&self, id: Id, state: &str) -> (String, u32, Option<String>) {
        for _ in 0..500 {
            if self.state(id).0 == state {
                return self.state(id);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the job is {:?}, not {state}", self.state(id));
    }
}

#[tokio::test]
async fn a_job_runs_once_the_change_is_committed_and_not_when_it_is_undone() {
    let place = place();
    let sum = Arc::new(AtomicU32::new(0));
    let mut engine = place.engine();
    let added = sum.clone();
    engine.register("test", move |payload: u32, _| {
        added.fetch_add(payload, SeqCst);
        async { Ok(()) }
    });
    let running = engine.start().await.unwrap();
    let now = place.clock.now();
    let undone = place.writer.write::<()>(move |tx| {
        enqueue(tx, "test", &100_u32, now)?;
        Err(Error::not_found())
    });
    assert!(undone.await.is_err());
    let id = place.enqueue(7).await;
    assert_eq!(place.reaches(id, "done").await.1, 1);
    assert_eq!(sum.load(SeqCst), 7);
    running.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn errors_panics_and_slowness_are_tried_three_times() {
    let place = place();
    let mut engine = place.engine();
    engine.register("test", |payload: u32, context| async move {
        match (payload, context.attempt) {
            (0, 1 | 2) => Err(Error::unavailable("Not yet.")),
            (0, _) => Ok(()),
            (1, _) => panic!("on purpose"),
            _ => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(())
            }
        }
    });
    let running = engine.start().await.unwrap();
    let (late, panics, slow) = (place.enqueue(0).await, place.enqueue(1).await, place.enqueue(2).await);
    assert_eq!(place.reaches(late, "done").await, ("done".into(), 3, None));
    assert_eq!(place.reaches(panics, "failed").await.1, 3);
    let (_, attempts, error) = place.reaches(slow, "failed").await;
    assert_eq!((attempts, error.unwrap().contains("longer than 200ms")), (3, true));
    running.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_blocking_job_learns_that_its_time_is_up() {
    let place = place();
    let told = Arc::new(AtomicU32::new(0));
    let mut engine = place.engine();
    let seen = told.clone();
    engine.register_blocking("test", move |_: u32, context| {
        while !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(5));
        }
        seen.fetch_add(1, SeqCst);
        Ok(())
    });
    let running = engine.start().await.unwrap();
    let id = place.enqueue(0).await;
    place.reaches(id, "failed").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(told.load(SeqCst), 3);
    running.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn shutdown_hands_back_and_a_crash_is_taken_up() {
    let place = place();
    let mut engine = place.engine().with_policy(Policy::default());
    engine.register("test", |_: u32, _| std::future::pending());
    let running = engine.start().await.unwrap();
    let id = place.enqueue(0).await;
    place.reaches(id, "running").await;
    running.shutdown(Duration::from_millis(10)).await;
    assert_eq!(place.state(id), ("waiting".into(), 0, None));

    let crashed = |attempts: u32| {
        let sql = "UPDATE jobs SET state = 'running', attempts = ?1 WHERE id = ?2";
        place.writer.write(move |tx| tx.execute(sql, params![attempts, id]))
    };
    crashed(1).await.unwrap();
    let mut engine = place.engine();
    engine.register("test", |_: u32, _| async { Ok(()) });
    let running = engine.start().await.unwrap();
    assert_eq!(place.reaches(id, "done").await.1, 2);
    running.shutdown(Duration::ZERO).await;

    crashed(3).await.unwrap();
    let running = place.engine().start().await.unwrap();
    assert_eq!(place.state(id).0, "failed");
    running.shutdown(Duration::ZERO).await;
}

struct Gate(AtomicBool);

impl MayRun for Gate {
    fn may_run(&self) -> bool {
        self.0.load(SeqCst)
    }
}

#[tokio::test]
async fn nothing_is_claimed_during_a_pause() {
    let place = place();
    let gate = Arc::new(Gate(AtomicBool::new(false)));
    let mut engine = place.engine().ask(gate.clone());
    engine.register("test", |_: u32, _| async { Ok(()) });
    let running = engine.start().await.unwrap();
    let id = place.enqueue(0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(place.state(id).0, "waiting");
    gate.0.store(true, SeqCst);
    wake();
    place.reaches(id, "done").await;
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_schedule_keeps_one_job_coming_even_when_the_clock_is_set_back() {
    let place = place();
    let runs = Arc::new(AtomicU32::new(0));
    let engine = || {
        let mut engine = place.engine();
        let runs = runs.clone();
        engine.register("tick", move |(), _| {
            runs.fetch_add(1, SeqCst);
            async { Ok(()) }
        });
        engine.schedule("tick", Duration::from_secs(60));
        engine
    };
    let ran = |times| {
        let runs = runs.clone();
        async move {
            for _ in 0..500 {
                wake();
                tokio::time::sleep(Duration::from_millis(5)).await;
                if runs.load(SeqCst) == times {
                    return;
                }
            }
            panic!("ran {} times, not {times}", runs.load(SeqCst));
        }
    };
    let running = engine().start().await.unwrap();
    ran(1).await;
    place.clock.advance(61_000);
    ran(2).await;
    running.shutdown(Duration::from_secs(1)).await;
    place.clock.advance(-86_400_000);
    let running = engine().start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(runs.load(SeqCst), 2);
    place.clock.advance(61_000);
    ran(3).await;
    let waiting = "SELECT count(*) FROM jobs WHERE kind = 'tick' AND state = 'waiting'";
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(place.db.read(|r| r.query_one(waiting, &[], |row| row.get::<i64>(0))).unwrap(), Some(1));
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn old_finished_jobs_are_removed() {
    let place = place();
    let mut engine = place.engine();
    engine.register("test", |_: u32, _| async { Ok(()) });
    let running = engine.start().await.unwrap();
    let id = place.enqueue(0).await;
    place.reaches(id, "done").await;
    place.clock.advance(8 * 86_400_000);
    let gone = || place.db.read(|r| r.query_one("SELECT 1 FROM jobs WHERE id = ?1", params![id], |_| Ok(()))).unwrap();
    for _ in 0..500 {
        wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
        if gone().is_none() {
            break;
        }
    }
    assert!(gone().is_none());
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_kind_that_is_set_apart_takes_no_room_from_others() {
    let place = place();
    let mut engine = place.engine().with_policy(Policy { at_once: 1, ..Policy::default() });
    let (busy, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, seen) = (busy.clone(), most.clone());
    engine.register("slow", move |_: u32, _| {
        seen.fetch_max(counted.fetch_add(1, SeqCst) + 1, SeqCst);
        std::future::pending()
    });
    engine.set_apart("slow", 2);
    engine.register("test", |_: u32, _| async { Ok(()) });
    let now = place.clock.now();
    for number in 0..5 {
        place.writer.write(move |tx| enqueue(tx, "slow", &number, now)).await.unwrap();
    }
    let quick = place.enqueue(1).await;
    let running = engine.start().await.unwrap();
    place.reaches(quick, "done").await;
    let later = place.enqueue(1).await;
    place.reaches(later, "done").await;
    assert_eq!(most.load(SeqCst), 2);
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn the_same_key_is_one_job_and_priorities_go_first() {
    let place = place();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut engine = place.engine().with_policy(Policy { at_once: 1, ..Policy::default() });
    let seen = order.clone();
    engine.register("test", move |payload: u32, _| {
        seen.lock().unwrap().push(payload);
        async { Ok(()) }
    });
    let now = place.clock.now();
    let mut ids = Vec::new();
    for (payload, priority) in [(1, Priority::Low), (2, Priority::Normal), (3, Priority::High)] {
        let new = move |tx: &Tx<'_>| NewJob::new("test").priority(priority).enqueue(tx, &payload, now, now);
        ids.push(place.writer.write(new).await.unwrap());
    }
    let once = || place.writer.write(move |tx| NewJob::new("test").once("nightly").enqueue(tx, &4_u32, now, now));
    let first = once().await.unwrap();
    assert_eq!(once().await.unwrap(), first);
    let running = engine.start().await.unwrap();
    place.reaches(ids[0], "done").await;
    assert_eq!(*order.lock().unwrap(), [3, 2, 4, 1]);
    assert_eq!(once().await.unwrap(), first, "what is done is not done again");
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_running_attempt_reports_and_is_ended() {
    let place = place();
    let told = Arc::new(AtomicU32::new(0));
    let mut engine = place.engine().with_policy(Policy::default());
    let seen = told.clone();
    engine.register_blocking("test", move |_: u32, context| {
        context.report(3, 10, "counting");
        while !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(5));
        }
        seen.fetch_add(1, SeqCst);
        Ok(())
    });
    let running = engine.start().await.unwrap();
    let id = place.enqueue(0).await;
    place.reaches(id, "running").await;
    let sql =
        "SELECT progress_done, progress_total, progress_note FROM jobs WHERE id = ?1 AND progress_note IS NOT NULL";
    let read = || {
        let progress = place.db.read(|r| {
            r.query_one(sql, params![id], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?)))
        });
        progress.unwrap()
    };
    for _ in 0..500 {
        if read().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(read(), Some((3, 10, "counting".to_owned())));
    let wanted = move |tx: &Tx<'_>| {
        tx.after_commit(interrupt);
        tx.execute("UPDATE jobs SET cancelling = 1 WHERE id = ?1", params![id])
    };
    place.writer.write(wanted).await.unwrap();
    place.reaches(id, "cancelled").await;
    for _ in 0..500 {
        if told.load(SeqCst) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(told.load(SeqCst), 1, "the work itself heard of it");
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_cron_schedule_waits_for_its_time_and_goes_with_its_configuration() {
    let place = place();
    let runs = Arc::new(AtomicU32::new(0));
    let engine = |scheduled: bool| {
        let mut engine = place.engine();
        let runs = runs.clone();
        engine.register("tick", move |(), _| {
            runs.fetch_add(1, SeqCst);
            async { Ok(()) }
        });
        if scheduled {
            engine.schedule_at("tick", "0 3 * * *".parse().unwrap());
        }
        engine
    };
    let due = || {
        let sql = "SELECT due_at FROM jobs WHERE kind = 'tick' AND state = 'waiting'";
        place.db.read(|r| r.query_all(sql, &[], |row| row.get::<Time>(0))).unwrap()
    };
    let waits = async || {
        for _ in 0..500 {
            wake();
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let [one] = *due() {
                return one;
            }
        }
        panic!("not one waits: {:?}", due());
    };
    let running = engine(true).start().await.unwrap();
    let first = waits().await;
    assert!(first.to_string().ends_with("T03:00:00.000Z"), "{first}");
    assert_eq!(runs.load(SeqCst), 0);
    place.clock.advance(i64::try_from(first.since(place.clock.now()).as_millis()).unwrap() + 1_000);
    for _ in 0..500 {
        wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
        if runs.load(SeqCst) == 1 && waits().await > first {
            break;
        }
    }
    assert_eq!(waits().await.since(first), Duration::from_secs(86_400));
    running.shutdown(Duration::from_secs(1)).await;
    let running = engine(false).start().await.unwrap();
    assert!(due().is_empty(), "what no schedule asks for does not wait");
    running.shutdown(Duration::ZERO).await;
}
