/* The parts of the epoll peer. */
#pragma once

#include "peer.h"

_Noreturn void serve_epoll_proxy(const struct peer* peer);
