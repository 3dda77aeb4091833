// Play plays examples/scenario.json against a server and prints what it sees: play ADDRESS SESSION_ID.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // heeds healthCheckConfig of the service config
	"google.golang.org/grpc/status"
	api "synckairos.dev/gen/synckairos/v1"
)

type scenario struct {
	TimeControl    string   `json:"time_control"`
	TickIntervalMs int32    `json:"tick_interval_ms"`
	Participants   []string `json:"participants"`
	Turns          []struct {
		SpendMs      int64 `json:"spend_ms"`
		SendAgain    bool  `json:"send_again"`
		DropStream   bool  `json:"drop_stream"`
		ResumeStream bool  `json:"resume_stream"`
	} `json:"turns"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: play ADDRESS SESSION_ID")
	}
	// The service config balances, heeds health, sets deadlines and sends again what may be sent again.
	serviceConfig := must(os.ReadFile("protos/synckairos/v1/service_config.json"))
	connection := must(grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(serviceConfig))))
	defer connection.Close()

	var plan scenario
	must("", json.Unmarshal(must(os.ReadFile("examples/scenario.json")), &plan))
	play(context.Background(), api.NewSessionServiceClient(connection), os.Args[2], plan)
}

func play(ctx context.Context, sessions api.SessionServiceClient, id string, plan scenario) {
	create := &api.CreateSessionRequest{
		SessionId: id, RequestId: uuid.NewString(), Mode: api.Mode_MODE_PER_PARTICIPANT,
		Control:     &api.CreateSessionRequest_TimeControlText{TimeControlText: plan.TimeControl},
		ManualClock: true, // It stands until AdvanceClock moves it: every figure is exact.
	}
	for _, participant := range plan.Participants {
		create.Participants = append(create.Participants, &api.ParticipantSpec{ParticipantId: participant})
	}
	session := must(sessions.CreateSession(ctx, create)).Session
	show("created", session)
	request := &api.WatchSessionRequest{SessionId: id, TickIntervalMs: plan.TickIntervalMs}
	watch := &watcher{sessions: sessions, request: request}
	watch.open(ctx)
	watch.readTo(ctx, session.Version, false)

	start := &api.StartSessionRequest{SessionId: id, RequestId: uuid.NewString()}
	session = must(sessions.StartSession(ctx, start)).Session
	show("started", session)
	watch.readTo(ctx, session.Version, false)

	for place, turn := range plan.Turns {
		if turn.DropStream {
			fmt.Println("the stream is dropped")
			watch.drop()
		}
		advance := &api.AdvanceClockRequest{SessionId: id, RequestId: uuid.NewString(), ByMs: turn.SpendMs}
		watch.readTo(ctx, must(sessions.AdvanceClock(ctx, advance)).Session.Version, true)

		// Too late, this is refused instead of ending another turn; sent again, it is applied once.
		active := session.ActiveParticipantId
		move := &api.SwitchCycleRequest{SessionId: id, RequestId: uuid.NewString(), ExpectedActiveParticipantId: active}
		session = must(sessions.SwitchCycle(ctx, move)).Session
		show(fmt.Sprintf("turn %d", place+1), session)
		if turn.SendAgain {
			again := must(sessions.SwitchCycle(ctx, move))
			fmt.Printf("sent again: replayed %t, version %d\n", again.Replayed, again.Session.Version)
		}
		if turn.ResumeStream {
			fmt.Println("the stream is resumed")
			watch.open(ctx)
		}
		watch.readTo(ctx, session.Version, false)
	}

	showRefusal(sessions.CreateSession(ctx, &api.CreateSessionRequest{Mode: create.Mode, TotalTimeMs: 1}))
	showRefusal(sessions.SwitchCycle(ctx, &api.SwitchCycleRequest{SessionId: id, ExpectedVersion: 1}))
	waiting := plan.Participants[1]
	showRefusal(sessions.SwitchCycle(ctx, &api.SwitchCycleRequest{SessionId: id, ExpectedActiveParticipantId: waiting}))

	complete := &api.CompleteSessionRequest{SessionId: id, RequestId: uuid.NewString()}
	session = must(sessions.CompleteSession(ctx, complete)).Session
	show("completed", session)
	watch.readTo(ctx, session.Version+1, false) // There is none: this reads to the end.
}

// watcher follows a session over as many streams as it takes, without a hole.
type watcher struct {
	sessions api.SessionServiceClient
	request  *api.WatchSessionRequest // with the token of the last message, where the next stream goes on
	version  int64                    // of what was told last
	stream   grpc.ServerStreamingClient[api.WatchSessionResponse]
	cancel   context.CancelFunc
}

func (w *watcher) open(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	w.stream = must(w.sessions.WatchSession(ctx, w.request))
}

func (w *watcher) drop() {
	w.cancel()
	w.stream = nil
}

// readTo shows what comes up to a version, and a tick after it if wanted; a resumed stream repeats no tick.
func (w *watcher) readTo(ctx context.Context, version int64, tick bool) {
	for w.stream != nil && (w.version < version || tick) {
		update, err := w.stream.Recv()
		switch status.Code(err) {
		case codes.Unavailable, codes.Canceled, codes.ResourceExhausted: // another stream goes on
			time.Sleep(100 * time.Millisecond)
			w.open(ctx)
			tick = false
			continue
		}
		update = must(update, err)
		w.request.ResumeToken = cmp.Or(update.ResumeToken, w.request.ResumeToken)
		switch told := update.Payload.(type) {
		case *api.WatchSessionResponse_Snapshot:
			fmt.Printf("  snapshot of version %d\n", update.Version)
		case *api.WatchSessionResponse_Event:
			if update.Version != w.version+1 {
				log.Fatalf("version %d comes after %d", update.Version, w.version)
			}
			fmt.Printf("  event %d: %s, %d ms left\n", update.Version, told.Event.Type, told.Event.GetTimeRemainingMs())
		case *api.WatchSessionResponse_Phase:
			fmt.Printf("  phase: %s, %d periods left\n", told.Phase.Phase.Kind, told.Phase.Phase.PeriodsLeft)
		case *api.WatchSessionResponse_Tick:
			tick = false
			fmt.Printf("  tick: %s has %d s\n", told.Tick.ActiveParticipantId, told.Tick.GetRemainingMs()/1000)
		case *api.WatchSessionResponse_End:
			fmt.Printf("  end: %s\n", told.End.Reason)
			w.drop()
			if told.End.RetryAfterMs > 0 { // the server is stopping
				time.Sleep(time.Duration(told.End.RetryAfterMs) * time.Millisecond)
				w.open(ctx)
			}
		}
		w.version = update.Version
	}
}

func show(what string, session *api.Session) {
	fmt.Printf("%s: version %d, %s", what, session.Version, session.Status)
	for _, one := range session.Participants {
		fmt.Printf(", %d ms with %d periods", one.GetTimeRemainingMs(), one.Clock.GetPeriodsLeft())
	}
	fmt.Println()
}

// showRefusal takes an error apart by its details; its message is for people alone.
func showRefusal(_ any, err error) {
	fmt.Print("refused:")
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Print(" ", detail.Reason)
			for _, key := range slices.Sorted(maps.Keys(detail.Metadata)) {
				fmt.Printf(" %s=%s", key, detail.Metadata[key])
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				fmt.Print(" ", violation.Field)
			}
		}
	}
	fmt.Println()
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
