// The socket: control messages and further mounts, from programs beside our mounts.
#ifndef BOUGH_SERVER_H
#define BOUGH_SERVER_H

#include "exits.h"

#include <stdbool.h>

struct server;
struct volume;

/// Listens at the volume's endpoint. What is wrong is said here.
enum exits server_start(struct volume *volume, struct server **started);

/// Stops listening, ends all connections and removes the socket. NULL is fine.
void server_stop(struct server *server);

/// Whether nobody is connected.
bool server_is_idle(struct server *server);

#endif
