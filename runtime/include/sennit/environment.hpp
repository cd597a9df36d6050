#pragma once

namespace sennit {

class event_loop;
class cancel_scope;

/// What a coroutine inherits from the one that awaits it: the loop it runs on and the scope that can cancel it.
/// It is handed from promise to promise at each `co_await`, which is why no function of this library takes an
/// executor and none needs a thread-local "current loop".
struct environment {
    event_loop* loop = nullptr;
    cancel_scope* scope = nullptr;
};

}  // namespace sennit
