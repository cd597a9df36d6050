// The way of an operation from its awaiter to the backend and back.

#include <cerrno>

#include <sennit/backend.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/operation.hpp>
#include <sennit/request.hpp>

namespace sennit {

const std::int32_t operation::cancelled_result = -ECANCELED;

void operation::submit_to(event_loop& loop) noexcept {
    in_flight = {};
    loop.io().submit(*this);
}

void operation::cancel_wait() noexcept {
    where().loop->io().cancel(*this);
}

const char* operation::waiting_for() const noexcept {
    return name_of(what());
}

int operation::descriptor() const noexcept {
    return descriptor_of(what());
}

detail::wait_details operation::details() const noexcept {
    detail::wait_details known;
    known.descriptor = descriptor();
    return known;
}

void operation::complete(completion done) noexcept {
    finish(done.result);
}

void operation::throw_cancelled() const {
    // -ECANCELED without a cancelled scope means that someone else ended the wait, by closing the descriptor for
    // example; that is an error like any other.
    if (scope_cancelled()) throw cancelled();
}

}  // namespace sennit
