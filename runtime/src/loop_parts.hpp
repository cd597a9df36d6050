#pragma once

#include <memory>
#include <string>

#include "loop_mailbox.hpp"
#include "timer_wheel.hpp"

#include <sennit/backend.hpp>
#include <sennit/blocking.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>

namespace sennit::detail {

/// What an event loop consists of, beside the queue that its header shows. Each part may use those before it.
struct loop_parts {
    loop_parts(chosen_backend chosen, environment root_environment)
        : io(std::move(chosen.implementation)),
          reason(std::move(chosen.reason)),
          mailbox(std::make_shared<loop_mailbox>(*io)),
          root(root_environment, task_group::on_failure::report) {}

    std::unique_ptr<backend> io;
    std::string reason;  ///< why this backend
    timer_wheel timers;
    std::shared_ptr<loop_mailbox> mailbox;
    stop_state stop;
    std::unique_ptr<blocking_pool> blocking;  ///< from its first use on
    task_group root;
};

}  // namespace sennit::detail
