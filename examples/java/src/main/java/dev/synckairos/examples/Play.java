package dev.synckairos.examples;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.synckairos.v1.AdvanceClockRequest;
import dev.synckairos.v1.CompleteSessionRequest;
import dev.synckairos.v1.CreateSessionRequest;
import dev.synckairos.v1.Mode;
import dev.synckairos.v1.ParticipantSpec;
import dev.synckairos.v1.Session;
import dev.synckairos.v1.SessionServiceGrpc;
import dev.synckairos.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import dev.synckairos.v1.StartSessionRequest;
import dev.synckairos.v1.SwitchCycleRequest;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;

/**
 * Plays examples/scenario.json against a server and prints what it sees: Play ADDRESS SESSION_ID.
 */
public final class Play {
  record Turn(long spend_ms, boolean send_again, boolean drop_stream, boolean resume_stream) {}

  record Scenario(
      String time_control, int tick_interval_ms, List<String> participants, List<Turn> turns) {}

  private final SessionServiceBlockingStub sessions;
  private final String id;

  private Play(SessionServiceBlockingStub sessions, String id) {
    this.sessions = sessions;
    this.id = id;
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2) {
      throw new IllegalArgumentException("usage: Play ADDRESS SESSION_ID");
    }
    var gson = new Gson();
    var scenario =
        gson.fromJson(Files.readString(Path.of("examples/scenario.json")), Scenario.class);
    // The service config balances, heeds health, sets deadlines and sends again what may be sent
    // again.
    var serviceConfig = Files.readString(Path.of("protos/synckairos/v1/service_config.json"));
    var channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create())
            .defaultServiceConfig(gson.fromJson(serviceConfig, new TypeToken<Map<String, ?>>() {}))
            .enableRetry()
            .build();
    try {
      new Play(SessionServiceGrpc.newBlockingStub(channel), arguments[1]).play(scenario);
    } finally {
      channel.shutdownNow();
    }
  }

  private void play(Scenario scenario) throws Exception {
    var create =
        CreateSessionRequest.newBuilder()
            .setSessionId(id)
            .setRequestId(newId())
            .setMode(Mode.MODE_PER_PARTICIPANT)
            .setTimeControlText(scenario.time_control())
            .setManualClock(true); // It stands until AdvanceClock moves it: every figure is exact.
    for (var participant : scenario.participants()) {
      create.addParticipants(ParticipantSpec.newBuilder().setParticipantId(participant));
    }
    var session = sessions.createSession(create.build()).getSession();
    show("created", session);
    var watch = new Watch(sessions, id, scenario.tick_interval_ms());
    watch.open();
    watch.readTo(session.getVersion(), false);

    var start = StartSessionRequest.newBuilder().setSessionId(id).setRequestId(newId()).build();
    session = sessions.startSession(start).getSession();
    show("started", session);
    watch.readTo(session.getVersion(), false);

    var number = 0;
    for (var turn : scenario.turns()) {
      if (turn.drop_stream()) {
        System.out.println("the stream is dropped");
        watch.drop();
      }
      var advance =
          AdvanceClockRequest.newBuilder()
              .setSessionId(id)
              .setRequestId(newId())
              .setByMs(turn.spend_ms());
      watch.readTo(sessions.advanceClock(advance.build()).getSession().getVersion(), true);

      // Too late, this is refused instead of ending another turn; sent again, it is applied once.
      var active = session.getActiveParticipantId();
      var move = aSwitch().setRequestId(newId()).setExpectedActiveParticipantId(active).build();
      session = sessions.switchCycle(move).getSession();
      show("turn " + ++number, session);
      if (turn.send_again()) {
        var again = sessions.switchCycle(move);
        System.out.printf(
            "sent again: replayed %b, version %d%n",
            again.getReplayed(), again.getSession().getVersion());
      }
      if (turn.resume_stream()) {
        System.out.println("the stream is resumed");
        watch.open();
      }
      watch.readTo(session.getVersion(), false);
    }

    var wrong =
        CreateSessionRequest.newBuilder()
            .setMode(Mode.MODE_PER_PARTICIPANT)
            .setTotalTimeMs(1)
            .build();
    showRefusal(() -> sessions.createSession(wrong));
    showRefusal(() -> sessions.switchCycle(aSwitch().setExpectedVersion(1).build()));
    var waiting = scenario.participants().get(1);
    showRefusal(
        () -> sessions.switchCycle(aSwitch().setExpectedActiveParticipantId(waiting).build()));

    var complete =
        CompleteSessionRequest.newBuilder().setSessionId(id).setRequestId(newId()).build();
    session = sessions.completeSession(complete).getSession();
    show("completed", session);
    watch.readTo(session.getVersion() + 1, false); // There is none: this reads to the end.
  }

  private SwitchCycleRequest.Builder aSwitch() {
    return SwitchCycleRequest.newBuilder().setSessionId(id);
  }

  private static String newId() {
    return UUID.randomUUID().toString();
  }

  private static void show(String what, Session session) {
    System.out.printf("%s: version %d, %s", what, session.getVersion(), session.getStatus());
    for (var one : session.getParticipantsList()) {
      System.out.printf(
          ", %d ms with %d periods", one.getTimeRemainingMs(), one.getClock().getPeriodsLeft());
    }
    System.out.println();
  }

  /** Takes an error apart by its details; its message is for people alone. */
  private static void showRefusal(Runnable call) throws InvalidProtocolBufferException {
    try {
      call.run();
    } catch (StatusRuntimeException error) {
      System.out.print("refused:");
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          var info = detail.unpack(ErrorInfo.class);
          System.out.print(" " + info.getReason());
          new TreeMap<>(info.getMetadataMap())
              .forEach((key, value) -> System.out.printf(" %s=%s", key, value));
        } else if (detail.is(BadRequest.class)) {
          detail
              .unpack(BadRequest.class)
              .getFieldViolationsList()
              .forEach(one -> System.out.print(" " + one.getField()));
        }
      }
      System.out.println();
    }
  }
}
