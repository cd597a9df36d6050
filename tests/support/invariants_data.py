"""What sennit promises about itself, and the tests that show it: patterns of names, without the backend they ran on."""

INVARIANTS = (
    (
        "Neither a buffer nor an operation is freed before the kernel has let go of it",
        ("Backend.FreedBufferIsReported", "UringBackend.OperationMayEnd*", "UringBackend.OperationStays*", "RecvLease.LeaseOutlives*"),
    ),
    (
        "A submitted operation ends exactly once, and nothing is in flight when its loop ends",
        ("BackendOrder.*", "CancelledOperation.*", "Close.SocketsMayOutliveTheirLoop", "ForEachFailure.Every*"),
    ),
    (
        "A cancel that races with a result loses no byte and no descriptor",
        ("CancelRace.*", "BackendOrder.Cancel*", "ForEachCancellationPoint.*Anywhere*", "UringBackend.ResultGoesBefore*"),
    ),
    (
        "One suite holds on io_uring, on epoll and in the simulated world; each rung can be forced",
        ("ByteStream.*", "BackendChoice.VariableForcesTheRung", "SwarmOnMachine.RandomPrograms*", "TcpStream.*", "Udp.*", "Unix.*"),
    ),
    (
        "The same seed gives the same run; a failure prints what repeats it",
        ("SimWorld.TheSameSeedGivesTheSameRun", "SwarmSeed.*", "Swarm.*"),
    ),
    ("What g++ 12 compiles wrongly is known, and what the library offers instead works", ("Canary.*",)),
    ("The stack is bounded in every kind of build", ("StackDepth.*",)),
    ("Every allocation may fail", ("WithoutMemory.*", "RunWithoutMemory.*")),
    (
        "Every system call may fail and every completion may be another",
        ("FailingCalls.*", "RewrittenCompletions.*"),
    ),
    (
        "Without io_uring, for whichever reason, the program runs on epoll and says why",
        ("BackendChoice.*",),
    ),
    (
        "Without descriptors a server waits quietly and goes on when there are some",
        ("ServeLimits.WaitsQuietly*", "Limits.*", "BackendConnection.AcceptAtTheDescriptorLimit*", "Hostile.test_server_without*"),
    ),
    (
        "An overflown completion queue loses nothing",
        ("UringBackend.*Overflow*", "UringBackend.Overflown*", "UringBackend.CancellationsMayOverfill*"),
    ),
    ("One receive buffer serves a thousand connections, without spinning", ("ScarceBuffers.*",)),
    (
        "Closing wakes who waits, the peer sees the end, and a reused descriptor begins anew",
        ("Close.*", "BackendOrder.ReusedDescriptorStartsClean"),
    ),
    (
        "Completions and events of what is gone are ignored",
        ("BackendOrder.StaleEvents*", "BackendWait.*Replaced*", "Close.NumberUsedAgain*"),
    ),
    (
        "A peer that floods starves neither the others nor the timers",
        ("Flood.*", "Fairness.*", "FairnessInTurns.*", "BackendOrder.FloodDoesNotStarveTheOthers"),
    ),
    ("Timers expire in order, never early, and a cancelled one never", ("TimerWheel.*", "TimerWheelModel.*", "Sleep.*")),
    (
        "No child outlives its group; errors and cancels reach all siblings",
        ("TaskGroup.*", "TaskGroupLife.*", "Swarm*.RandomPrograms*"),
    ),
    (
        "Transfers of any size keep every byte in order",
        ("Transfer.BytesInPieces*", "ByteStream.*", "RecvLease.Carries*", "Conversation.*", "Forward*.*", "RewrittenCompletions.ShortTransfers*", "DemoEcho.*", "DemoProxy.*"),
    ),
    (
        "Signals that interrupt system calls lose nothing",
        ("Transfer.AStormOfSignals*", "BackendWait.SignalStorm*", "UringBackend.StormOfAlarms*"),
    ),
    ("A full submission queue keeps the order", ("UringBackend.FullSubmissionQueue*", "UringBackend.WhatIsSubmittedFromACompletion*")),
    ("A send followed at once by a shutdown ends in order", ("Churn.SendingAndShuttingDown*",)),
    (
        "Peers that never send, never read, never end a line or come in floods are limited, and a good one is served",
        ("ServeTimeout.*", "Hostile.*", "LineReader.*", "RecvLease.Hoarders*", "DemoChat.*", "DemoLineTime.EndsConnections*"),
    ),
    ("The parsers keep their promises for whatever the fuzzers have found", ("FuzzCorpus.*",)),
    ("In the long run memory, descriptors and operations return to where they were", ("Soak.*", "Churn.Connections*")),
)
