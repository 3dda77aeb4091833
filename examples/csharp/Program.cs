// Plays examples/scenario.json against a server and prints what it sees: Play ADDRESS SESSION_ID.

using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using Synckairos.V1;
using PayloadCase = Synckairos.V1.WatchSessionResponse.PayloadOneofCase;

if (args.Length != 2)
{
    throw new ArgumentException("usage: Play ADDRESS SESSION_ID");
}
var options = new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
var scenario = JsonSerializer.Deserialize<Scenario>(File.ReadAllText("examples/scenario.json"), options)!;
var serviceConfig = Policy.Read("protos/synckairos/v1/service_config.json");
using var channel = GrpcChannel.ForAddress($"http://{args[0]}", new() { ServiceConfig = serviceConfig });
await new Player(new SessionService.SessionServiceClient(channel), args[1]).Play(scenario);

record Turn(long SpendMs, bool SendAgain, bool DropStream, bool ResumeStream);

record Scenario(string TimeControl, int TickIntervalMs, string[] Participants, Turn[] Turns);

static class Policy
{
    /// <summary>Makes the objects that .NET wants of the retry policies in a service config.</summary>
    public static ServiceConfig Read(string path)
    {
        var config = new ServiceConfig();
        using var file = JsonDocument.Parse(File.ReadAllText(path));
        foreach (var method in file.RootElement.GetProperty("methodConfig").EnumerateArray())
        {
            if (!method.TryGetProperty("retryPolicy", out var policy))
            {
                continue;
            }
            var retries = new RetryPolicy
            {
                MaxAttempts = policy.GetProperty("maxAttempts").GetInt32(),
                InitialBackoff = Duration(policy.GetProperty("initialBackoff")),
                MaxBackoff = Duration(policy.GetProperty("maxBackoff")),
                BackoffMultiplier = policy.GetProperty("backoffMultiplier").GetDouble(),
            };
            foreach (var code in policy.GetProperty("retryableStatusCodes").EnumerateArray())
            {
                retries.RetryableStatusCodes.Add(Enum.Parse<StatusCode>(code.GetString()!, ignoreCase: true));
            }
            var repeated = new MethodConfig { RetryPolicy = retries };
            foreach (var name in method.GetProperty("name").EnumerateArray())
            {
                var (service, called) = (name.GetProperty("service").GetString(), name.GetProperty("method").GetString());
                repeated.Names.Add(new MethodName { Service = service, Method = called });
            }
            config.MethodConfigs.Add(repeated);
        }
        return config;
    }

    private static TimeSpan Duration(JsonElement text) =>
        TimeSpan.FromSeconds(double.Parse(text.GetString()!.TrimEnd('s'), CultureInfo.InvariantCulture));
}

class Player(SessionService.SessionServiceClient sessions, string id)
{
    private static DateTime Soon => DateTime.UtcNow.AddSeconds(10);

    private static string NewId => Guid.NewGuid().ToString();

    public async Task Play(Scenario scenario)
    {
        var create = new CreateSessionRequest
        {
            SessionId = id,
            RequestId = NewId,
            Mode = Mode.PerParticipant,
            TimeControlText = scenario.TimeControl,
            ManualClock = true, // It stands until AdvanceClock moves it: every figure is exact.
        };
        create.Participants.Add(scenario.Participants.Select(one => new ParticipantSpec { ParticipantId = one }));
        var session = (await sessions.CreateSessionAsync(create, deadline: Soon)).Session;
        Show("created", session);
        var watch = new Watch(sessions, new() { SessionId = id, TickIntervalMs = scenario.TickIntervalMs });
        await watch.ReadTo(session.Version);

        var start = new StartSessionRequest { SessionId = id, RequestId = NewId };
        session = (await sessions.StartSessionAsync(start, deadline: Soon)).Session;
        Show("started", session);
        await watch.ReadTo(session.Version);

        foreach (var (turn, number) in scenario.Turns.Select((one, place) => (one, place + 1)))
        {
            if (turn.DropStream)
            {
                Console.WriteLine("the stream is dropped");
                watch.Drop();
            }
            var advance = new AdvanceClockRequest { SessionId = id, RequestId = NewId, ByMs = turn.SpendMs };
            await watch.ReadTo((await sessions.AdvanceClockAsync(advance, deadline: Soon)).Session.Version, tick: true);

            // Too late, this is refused instead of ending another turn; sent again, it is applied once.
            var active = session.ActiveParticipantId;
            var move = new SwitchCycleRequest { SessionId = id, RequestId = NewId, ExpectedActiveParticipantId = active };
            session = (await sessions.SwitchCycleAsync(move, deadline: Soon)).Session;
            Show($"turn {number}", session);
            if (turn.SendAgain)
            {
                var again = await sessions.SwitchCycleAsync(move, deadline: Soon);
                Console.WriteLine($"sent again: replayed {again.Replayed.ToString().ToLower()}, version {again.Session.Version}");
            }
            if (turn.ResumeStream)
            {
                Console.WriteLine("the stream is resumed");
                watch.Open();
            }
            await watch.ReadTo(session.Version);
        }

        var wrong = new CreateSessionRequest { Mode = Mode.PerParticipant, TotalTimeMs = 1 };
        await ShowRefusal(sessions.CreateSessionAsync(wrong, deadline: Soon));
        var old = new SwitchCycleRequest { SessionId = id, ExpectedVersion = 1 };
        await ShowRefusal(sessions.SwitchCycleAsync(old, deadline: Soon));
        var waiting = new SwitchCycleRequest { SessionId = id, ExpectedActiveParticipantId = scenario.Participants[1] };
        await ShowRefusal(sessions.SwitchCycleAsync(waiting, deadline: Soon));

        var complete = new CompleteSessionRequest { SessionId = id, RequestId = NewId };
        session = (await sessions.CompleteSessionAsync(complete, deadline: Soon)).Session;
        Show("completed", session);
        await watch.ReadTo(session.Version + 1); // There is none: this reads to the end.
    }

    private static void Show(string what, Session session)
    {
        var clocks = session.Participants.Select(one => $", {one.TimeRemainingMs} ms with {one.Clock.PeriodsLeft} periods");
        Console.WriteLine($"{what}: version {session.Version}, {Names.Of(session.Status)}{string.Concat(clocks)}");
    }

    /// <summary>Takes an error apart by its details; its message is for people alone.</summary>
    private static async Task ShowRefusal<T>(AsyncUnaryCall<T> call)
    {
        try
        {
            await call;
        }
        catch (RpcException error)
        {
            var told = new List<string>();
            var details = error.Trailers.GetValueBytes("grpc-status-details-bin");
            foreach (var detail in Google.Rpc.Status.Parser.ParseFrom(details).Details)
            {
                if (detail.TryUnpack(out ErrorInfo info))
                {
                    told.Add(info.Reason);
                    var metadata = info.Metadata.OrderBy(one => one.Key, StringComparer.Ordinal);
                    told.AddRange(metadata.Select(one => $"{one.Key}={one.Value}"));
                }
                else if (detail.TryUnpack(out BadRequest bad))
                {
                    told.AddRange(bad.FieldViolations.Select(violation => violation.Field));
                }
            }
            Console.WriteLine($"refused: {string.Join(' ', told)}");
        }
    }
}

static class Names
{
    /// <summary>Returns the name that an enum's value has in the contract.</summary>
    public static string Of<T>(T value) where T : struct, Enum =>
        typeof(T).GetField(value.ToString())?.GetCustomAttribute<OriginalNameAttribute>()?.Name ?? value.ToString();
}

/// <summary>Follows a session over as many streams as it takes, without a hole.</summary>
class Watch
{
    private static readonly StatusCode[] Passing = [StatusCode.Unavailable, StatusCode.Cancelled, StatusCode.ResourceExhausted];

    private readonly SessionService.SessionServiceClient sessions;
    private readonly WatchSessionRequest request; // with the token of the last message, where the next stream goes on
    private long version; // of what was told last
    private AsyncServerStreamingCall<WatchSessionResponse>? stream;

    public Watch(SessionService.SessionServiceClient sessions, WatchSessionRequest request)
    {
        (this.sessions, this.request) = (sessions, request);
        Open();
    }

    public void Open() => stream = sessions.WatchSession(request);

    public void Drop()
    {
        stream?.Dispose();
        stream = null;
    }

    /// <summary>Shows what comes up to a version, and a tick after it if wanted; a resumed stream repeats none.</summary>
    public async Task ReadTo(long wanted, bool tick = false)
    {
        while (stream is not null && (version < wanted || tick))
        {
            try
            {
                await stream.ResponseStream.MoveNext(CancellationToken.None);
            }
            catch (RpcException error) when (Passing.Contains(error.StatusCode))
            {
                await Task.Delay(100);
                Open(); // another stream goes on
                tick = false;
                continue;
            }
            var update = stream.ResponseStream.Current;
            request.ResumeToken = update.ResumeToken is "" ? request.ResumeToken : update.ResumeToken;
            tick &= update.PayloadCase != PayloadCase.Tick;
            await Show(update);
            version = update.Version;
        }
    }

    private async Task Show(WatchSessionResponse update)
    {
        switch (update.PayloadCase)
        {
            case PayloadCase.Snapshot:
                Console.WriteLine($"  snapshot of version {update.Version}");
                break;
            case PayloadCase.Event when update.Version != version + 1:
                throw new InvalidDataException($"version {update.Version} comes after {version}");
            case PayloadCase.Event:
                var told = update.Event;
                Console.WriteLine($"  event {update.Version}: {Names.Of(told.Type)}, {told.TimeRemainingMs} ms left");
                break;
            case PayloadCase.Phase:
                var phase = update.Phase.Phase;
                Console.WriteLine($"  phase: {Names.Of(phase.Kind)}, {phase.PeriodsLeft} periods left");
                break;
            case PayloadCase.Tick:
                Console.WriteLine($"  tick: {update.Tick.ActiveParticipantId} has {update.Tick.RemainingMs / 1000} s");
                break;
            case PayloadCase.End:
                Console.WriteLine($"  end: {Names.Of(update.End.Reason)}");
                Drop();
                if (update.End.RetryAfterMs > 0)
                {
                    await Task.Delay((int)update.End.RetryAfterMs); // the server is stopping
                    Open();
                }
                break;
        }
    }
}
