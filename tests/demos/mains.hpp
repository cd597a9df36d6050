#pragma once

// The demos as functions.

namespace demos::chat_server {
int main(int argc, char** argv);
}
namespace demos::line_time_server {
int main(int argc, char** argv);
}
namespace demos::minimal_echo_server {
int main();
}
namespace demos::tcp_echo_server {
int main(int argc, char** argv);
}
namespace demos::tcp_proxy {
int main(int argc, char** argv);
}
namespace demos::tcp_time_server {
int main(int argc, char** argv);
}
namespace demos::udp_echo_server {
int main(int argc, char** argv);
}
namespace demos::udp_time_server {
int main(int argc, char** argv);
}
namespace demos::unix_echo_server {
int main(int argc, char** argv);
}
