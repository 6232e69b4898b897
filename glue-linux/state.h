// The state directory: where sockets of living volumes are found.
#ifndef BOUGH_STATE_H
#define BOUGH_STATE_H

#include <stdbool.h>

/// How the name of a socket ends; before it stands the volume's.
#define SOCKET_ENDING ".sock"

/// The path of the socket of a volume, in a state directory that exists from now on and is ours; NULL, said why, when that
/// cannot be. To be freed.
char *state_socket_path(const char *volume);

#endif
