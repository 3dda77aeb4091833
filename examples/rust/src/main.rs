//! Plays examples/scenario.json against a server and prints what it sees: play ADDRESS SESSION_ID.

use std::{collections::BTreeMap, env, error::Error, fs, time::Duration};

use serde_json::Value;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt;
use uuid::Uuid;
use v1::{
    create_session_request::Control, session_service_client::SessionServiceClient, watch_session_response::Payload,
};

mod v1 {
    tonic::include_proto!("synckairos.v1");
}

type Sessions = SessionServiceClient<Channel>;
type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = env::args().collect();
    let [_, address, session_id] = &arguments[..] else { return Err("usage: play ADDRESS SESSION_ID".into()) };
    let scenario = serde_json::from_str(&fs::read_to_string("examples/scenario.json")?)?;
    let channel = Endpoint::try_from(format!("http://{address}"))?.connect_lazy();
    play(SessionServiceClient::new(channel), session_id, scenario).await
}

async fn play(sessions: Sessions, id: &str, scenario: Value) -> Outcome {
    let new_id = || Uuid::new_v4().to_string();
    let participants: Vec<String> = serde_json::from_value(scenario["participants"].clone())?;
    let with_id = |participant_id| v1::ParticipantSpec { participant_id, ..Default::default() };
    let create = v1::CreateSessionRequest {
        session_id: id.into(),
        request_id: new_id(),
        mode: v1::Mode::PerParticipant.into(),
        participants: participants.iter().cloned().map(with_id).collect(),
        control: scenario["time_control"].as_str().map(|text| Control::TimeControlText(text.into())),
        manual_clock: true, // It stands until AdvanceClock moves it: every figure is exact.
        ..Default::default()
    };
    let mut session = send(&sessions, create, Sessions::create_session).await?.session.unwrap_or_default();
    show("created", &session);
    let tick_interval_ms = serde_json::from_value(scenario["tick_interval_ms"].clone())?;
    let request = v1::WatchSessionRequest { session_id: id.into(), tick_interval_ms, ..Default::default() };
    let mut watch = Watch { sessions: sessions.clone(), request, version: 0, is_open: true, stream: None };
    watch.read_to(session.version, false).await?;
    let start = v1::StartSessionRequest { session_id: id.into(), request_id: new_id(), ..Default::default() };
    session = send(&sessions, start, Sessions::start_session).await?.session.unwrap_or_default();
    show("started", &session);
    watch.read_to(session.version, false).await?;

    // Too late, a switch is refused instead of ending another turn; sent again, it is applied once.
    let switch = |active: &str, expected_version| v1::SwitchCycleRequest {
        session_id: id.into(),
        request_id: new_id(),
        expected_active_participant_id: active.into(),
        expected_version,
        ..Default::default()
    };
    for (place, turn) in scenario["turns"].as_array().into_iter().flatten().enumerate() {
        if turn["drop_stream"] == true {
            println!("the stream is dropped");
            (watch.is_open, watch.stream) = (false, None);
        }
        let by_ms = turn["spend_ms"].as_i64().unwrap_or_default();
        let advance =
            v1::AdvanceClockRequest { session_id: id.into(), request_id: new_id(), by_ms, ..Default::default() };
        let advanced = send(&sessions, advance, Sessions::advance_clock).await?;
        watch.read_to(advanced.session.unwrap_or_default().version, true).await?;
        let request = switch(&session.active_participant_id, 0);
        session = send(&sessions, request.clone(), Sessions::switch_cycle).await?.session.unwrap_or_default();
        show(&format!("turn {}", place + 1), &session);
        if turn["send_again"] == true {
            let again = send(&sessions, request, Sessions::switch_cycle).await?;
            println!("sent again: replayed {}, version {}", again.replayed, again.session.unwrap_or_default().version);
        }
        if turn["resume_stream"] == true {
            println!("the stream is resumed");
            watch.is_open = true;
        }
        watch.read_to(session.version, false).await?;
    }

    let wrong = v1::CreateSessionRequest { mode: 1, total_time_ms: 1, ..Default::default() };
    show_refusal(send(&sessions, wrong, Sessions::create_session).await);
    show_refusal(send(&sessions, switch("", 1), Sessions::switch_cycle).await);
    show_refusal(send(&sessions, switch(&participants[1], 0), Sessions::switch_cycle).await);

    let complete = v1::CompleteSessionRequest { session_id: id.into(), request_id: new_id(), ..Default::default() };
    session = send(&sessions, complete, Sessions::complete_session).await?.session.unwrap_or_default();
    show("completed", &session);
    watch.read_to(session.version + 1, false).await // There is none: this reads to the end.
}

/// Makes a call, again and again as the service config would have it, which tonic does not read.
async fn send<Q: Clone, A>(
    sessions: &Sessions,
    message: Q,
    call: impl AsyncFn(&mut Sessions, Request<Q>) -> Result<Response<A>, Status>,
) -> Result<A, Status> {
    for attempt in 0.. {
        let mut request = Request::new(message.clone());
        request.set_timeout(Duration::from_secs(10));
        match call(&mut sessions.clone(), request).await {
            Err(status) if attempt < 4 && matches!(status.code(), Code::Unavailable | Code::Cancelled) => {
                let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
                sleep(asked.unwrap_or(Duration::from_millis(100 << attempt))).await;
            }
            answer => return answer.map(Response::into_inner),
        }
    }
    unreachable!("the last attempt returns")
}

/// Follows a session over as many streams as it takes, without a hole.
struct Watch {
    sessions: Sessions,
    request: v1::WatchSessionRequest, // with the token of the last message, where the next stream goes on
    version: i64,                     // of what was told last
    is_open: bool,
    stream: Option<Streaming<v1::WatchSessionResponse>>,
}

impl Watch {
    async fn next(&mut self) -> Result<Option<v1::WatchSessionResponse>, Status> {
        if self.stream.is_none() {
            self.stream = Some(self.sessions.watch_session(self.request.clone()).await?.into_inner());
        }
        self.stream.as_mut().expect("opened above").message().await
    }

    /// Shows what comes up to a version, and a tick after it if wanted; a resumed stream repeats no tick.
    async fn read_to(&mut self, version: i64, mut tick: bool) -> Outcome {
        while self.is_open && (self.version < version || tick) {
            let next = self.next().await;
            if let Err(Code::Unavailable | Code::Cancelled | Code::ResourceExhausted) =
                next.as_ref().map_err(Status::code)
            {
                (self.stream, tick) = (None, false); // another stream goes on
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            let update = next?.ok_or("the stream has ended without a word")?;
            if !update.resume_token.is_empty() {
                self.request.resume_token = update.resume_token;
            }
            match update.payload {
                Some(Payload::Snapshot(_)) => println!("  snapshot of version {}", update.version),
                Some(Payload::Event(event)) => {
                    assert_eq!(update.version, self.version + 1, "a hole");
                    let left_ms = event.time_remaining_ms.unwrap_or_default();
                    println!("  event {}: {}, {left_ms} ms left", update.version, event.r#type().as_str_name());
                }
                Some(Payload::Phase(v1::ClockPhaseStarted { phase: Some(phase), .. })) => {
                    println!("  phase: {}, {} periods left", phase.kind().as_str_name(), phase.periods_left);
                }
                Some(Payload::Tick(shown)) => {
                    tick = false;
                    let left_ms = shown.remaining_ms.unwrap_or_default();
                    println!("  tick: {} has {} s", shown.active_participant_id, left_ms / 1_000);
                }
                Some(Payload::End(end)) => {
                    println!("  end: {}", end.reason().as_str_name());
                    (self.stream, self.is_open) = (None, end.retry_after_ms > 0); // the server is stopping
                    sleep(Duration::from_millis(end.retry_after_ms as u64)).await;
                }
                _ => {}
            }
            self.version = update.version;
        }
        Ok(())
    }
}

fn show(what: &str, session: &v1::Session) {
    print!("{what}: version {}, {}", session.version, session.status().as_str_name());
    for one in &session.participants {
        let periods = one.clock.as_ref().and_then(|clock| clock.periods_left).unwrap_or_default();
        print!(", {} ms with {periods} periods", one.time_remaining_ms.unwrap_or_default());
    }
    println!();
}

/// Takes an error apart by its details; its message is for people alone.
fn show_refusal<A>(answer: Result<A, Status>) {
    let details = answer.err().map(|status| status.get_error_details()).unwrap_or_default();
    print!("refused:");
    if let Some(info) = details.error_info() {
        print!(" {}", info.reason);
        info.metadata.iter().collect::<BTreeMap<_, _>>().iter().for_each(|(key, value)| print!(" {key}={value}"));
    }
    for violation in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
        print!(" {}", violation.field);
    }
    println!();
}
