// The parts of a ring, for ring.c, ring_queue.c and ring_help.c.
//
// The kernel hands a request to the queue of the processor on which it was made. A queue has entries, each with room for one request; what
// finds none free waits in the kernel, in order. An entry is the request's until it is answered, so a few of them are kept from requests
// that wait for others: else nobody could be served whom these wait for.
//
// Of a queue its thread alone touches the io_uring, the counts and the entries that nobody serves; `mutex` guards what others leave there.
#ifndef BOUGH_RING_PARTS_H
#define BOUGH_RING_PARTS_H

#include "ring.h"

#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum {
    MOST_QUEUES = 32,        // processors; each costs a thread and some 60 KiB at each mount
    ENTRIES = 32,            // requests of one processor at a time
    MOST_WAITING = 12,       // of them, that wait for others
    MOST_PUT_OFF = 16,       // that another thread answers, which may wait
    KEPT_FREE = 4,           // for those that all these wait for
    FLUSHES = 2,             // in so many looks all that is on its way to entries comes: 20 at a time
    PAYLOAD_BYTES = 1 << 20, // as INIT asks for
    HEADER_BYTES = 4096,
    LARGE_BYTES = 64 << 10,  // from which the memory of a payload is given back when nobody asks for a while
    KEPT_SECONDS = 5,
    HANGING_NANOSECONDS = 20 * 1000 * 1000, // from which a request under way hangs
    SETTLE_SECONDS = 1,
    REGISTER = 1,            // FUSE_IO_URING_CMD_REGISTER
    COMMIT_AND_FETCH = 2,    // FUSE_IO_URING_CMD_COMMIT_AND_FETCH
    DEVICE = 0,              // /dev/fuse among the registered files
};

// struct fuse_uring_req_header, protocol 7.42.
struct header {
    char in_out[128];
    char operation[128];
    uint64_t flags;
    uint64_t commit_id;
    uint32_t payload_bytes, padding;
    uint64_t reserved;
};

// struct fuse_uring_cmd_req.
struct command {
    uint64_t flags;
    uint64_t commit_id;
    uint16_t queue;
    uint8_t padding[6];
};

struct entry {
    struct entry *next;       // in a list of those handed over, or answered
    struct queue *queue;
    struct header *header;
    char *payload;
    struct iovec memory[2];   // both, as the kernel is told of them
    struct fuse_buf request;
    uint64_t number;          // of the request in its queue
    atomic_uint_fast64_t unique; // the kernel's number of it, until it is answered; 0: none
    atomic_llong begun;       // when it was begun, if it may be late; 0: it is not being served
    atomic_int server;        // the thread that began it
    bool served;              // between being taken and being given back
    bool waits;               // for others, in the thread that serves it
    bool is_short;            // answered by the thread that serves it, which waits for nobody but, maybe, a base
    bool parked;              // it waits, or another thread answers it, which may wait
    bool large;               // its payload was used since memory was given back last
};

struct barrier {
    struct barrier *next;
    uint64_t until;           // received so many, all that it waits for have been assigned an entry
    uint64_t last;            // the last of them
    unsigned flushes;         // looks since they have been
    enum { NEW, SEEN, ASSIGNED, RECEIVED, PASSED } stage;
};

struct queue {
    struct ring *ring;
    unsigned number;
    int poke;                 // eventfd: others left something here
    struct io_uring uring;
    char *memory;
    struct entry entries[ENTRIES];
    pthread_t thread;
    bool has_uring, has_thread;
    // The thread's own.
    atomic_uint_fast64_t received; // read by others
    unsigned busy;            // entries being served
    unsigned waiting, put_off; // of them, the parked ones
    unsigned lost;            // entries that the kernel does not have
    bool may_wait, asked;     // operations may have to wait for storage; asked in this round
    unsigned requests;        // taken in this round
    bool idle;                // nothing came in the last round
    long sleeps;              // see request_serve_watched
    bool used_large;
    // Guarded by `mutex`.
    pthread_mutex_t mutex;
    pthread_cond_t passed;
    struct entry *answered;   // by other threads
    struct barrier *barriers;
    bool over;
    atomic_bool left;         // there may be something in the two lists
};

struct ring {
    struct fuse_session *session;
    struct ring_owner owner;
    struct queue *queues;
    unsigned count;
    atomic_bool stopping;
    cpu_set_t processors;     // on which the daemon may run
    // Guarded by `mutex`.
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned ready, failed;   // threads of queues, before it begins
    bool begun;
    struct entry *first, **end; // handed over to threads that serve what may take long
    unsigned threads, idle, handed;
};

/// Answers a request with nothing but an errno.
void ring_refuse(struct entry *entry, int error);

/// Serves a request, in this thread. `sleeps`: see `request_serve_watched`.
void ring_serve(struct entry *entry, long *sleeps);

/// Leaves a request to a thread that serves what may take long. False: there is none for it.
bool ring_hand_over(struct ring *ring, struct entry *entry);

/// Ends those threads; they end what they serve.
void ring_end_help(struct ring *ring);

/// The thread of a queue (its argument).
void *ring_run_queue(void *queue);

/// Wakes it, as something was left for it.
void ring_poke(struct queue *queue);

#endif
