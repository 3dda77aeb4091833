package dev.synckairos.examples;

import dev.synckairos.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import dev.synckairos.v1.WatchSessionRequest;
import dev.synckairos.v1.WatchSessionResponse;
import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;

/** Follows a session over as many streams as it takes, without a hole. */
final class Watch {
  private final SessionServiceBlockingStub sessions;
  private final WatchSessionRequest.Builder
      request; // with the token of the last message, where the next stream goes on
  private long version; // of what was told last
  private CancellableContext context;
  private Iterator<WatchSessionResponse> stream;

  Watch(SessionServiceBlockingStub sessions, String sessionId, int tickIntervalMs) {
    this.sessions = sessions;
    request =
        WatchSessionRequest.newBuilder().setSessionId(sessionId).setTickIntervalMs(tickIntervalMs);
  }

  void open() throws Exception {
    context = Context.current().withCancellation();
    stream = context.call(() -> sessions.watchSession(request.build()));
  }

  void drop() {
    context.cancel(null);
    stream = null;
  }

  /**
   * Shows what comes up to a version, and a tick after it if wanted; a resumed stream repeats no
   * tick.
   */
  void readTo(long wanted, boolean tick) throws Exception {
    while (stream != null && (version < wanted || tick)) {
      WatchSessionResponse update;
      try {
        update = stream.next();
      } catch (StatusRuntimeException error) {
        switch (error.getStatus().getCode()) {
          case UNAVAILABLE, CANCELLED, RESOURCE_EXHAUSTED -> {} // another stream goes on
          default -> throw error;
        }
        Thread.sleep(100);
        open();
        tick = false;
        continue;
      }
      if (!update.getResumeToken().isEmpty()) {
        request.setResumeToken(update.getResumeToken());
      }
      switch (update.getPayloadCase()) {
        case SNAPSHOT -> System.out.printf("  snapshot of version %d%n", update.getVersion());
        case EVENT -> {
          if (update.getVersion() != version + 1) {
            throw new IllegalStateException(
                "version " + update.getVersion() + " comes after " + version);
          }
          var event = update.getEvent();
          System.out.printf(
              "  event %d: %s, %d ms left%n",
              update.getVersion(), event.getType(), event.getTimeRemainingMs());
        }
        case PHASE -> {
          var phase = update.getPhase().getPhase();
          System.out.printf(
              "  phase: %s, %d periods left%n", phase.getKind(), phase.getPeriodsLeft());
        }
        case TICK -> {
          tick = false;
          var shown = update.getTick();
          System.out.printf(
              "  tick: %s has %d s%n",
              shown.getActiveParticipantId(), shown.getRemainingMs() / 1_000);
        }
        case END -> {
          System.out.printf("  end: %s%n", update.getEnd().getReason());
          drop();
          if (update.getEnd().getRetryAfterMs() > 0) { // the server is stopping
            Thread.sleep(update.getEnd().getRetryAfterMs());
            open();
          }
        }
        default -> {}
      }
      version = update.getVersion();
    }
  }
}
