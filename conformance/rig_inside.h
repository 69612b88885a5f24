/*
 * The rig's inside, shared by rig.c (threads, the clock, the stage), rig_runtime.c (the runtime that a
 * transport gets) and rig_net.c (its network, and the servers' side).
 *
 * One lock guards everything here and in the world. The order of locks: the transport's, then the rig's,
 * then those inside the sockets. Whoever holds the rig's lock calls nothing that waits.
 */
#ifndef LASTBYTE_CONFORMANCE_RIG_INSIDE_H
#define LASTBYTE_CONFORMANCE_RIG_INSIDE_H

#include "core/assert.h"
#include "rig.h"
#include "stage.h"
#include "world.h"

#include <stdatomic.h>

#define LBI_RIG_SLICE_NS UINT64_C(2000000) /* real time between two looks at the clock */
#define LBI_RIG_QUIET_MAX_NS                                                                       \
    UINT64_C(5000000000) /* real time until a world that is not quiet fails */

/* What a thread waits for. Whoever ends a wait makes it LBI_RIG_RUNS. */
enum lbi_rig_wait {
    LBI_RIG_RUNS,
    LBI_RIG_DONE,    /* for nothing any more */
    LBI_RIG_QUEUE,   /* a wake of its queue; NULL: time alone */
    LBI_RIG_QUIET,   /* all others */
    LBI_RIG_SETTLED, /* and all deadlines */
    LBI_RIG_COND,    /* a condition of the transport's, `queue` */
    LBI_RIG_JOIN,    /* the end of `target` */
    LBI_RIG_READ,    /* bytes or the end of the connection `queue` */
    LBI_RIG_CONNECT, /* a server that never answers, of the connection `queue` */
};

struct lbi_rig_worker {
    struct lb_rig *rig;
    struct lb_worker *thread; /* of lb_runtime_threads; NULL: not started yet, or joined */
    enum lb_role role;
    char label[LB_SIM_LABEL_MAX];
    lb_worker_fn function;
    void *argument;
    bool is_own;    /* a caller or a server: nobody but the rig joins it */
    bool is_joined; /* the transport has joined it */
    enum lbi_rig_wait wait;
    enum lb_site site;
    const void *queue;
    const struct lbi_rig_worker *target;
    uint64_t deadline_ns; /* of the wait */
    uint64_t since;       /* the order in which waits began */
    bool is_expired;      /* the wait was ended by its deadline */
    struct lb_cond cond;
    uint64_t chaos;       /* the state of its draws */
    uint32_t starve_left; /* calls at which it is still to sleep */
};

/* Bytes or records that grow at the end. All bytes zero is empty. */
struct lbi_rig_array {
    unsigned char *items;
    size_t size;
    size_t capacity;
};

/* One connection: the client's socket around the real one, and the server's side. */
struct lbi_rig_conn {
    struct lb_socket socket; /* first: the client's handle */
    struct lb_rig *rig;
    struct lb_socket *inner; /* of lb_network_tcp; NULL: closed */
    uint32_t ordinal;
    uint32_t calls;
    char host[LB_NET_NAME_MAX];
    char name[LB_SIM_LABEL_MAX];
    enum lb_net_answer answer;
    uint64_t delay_ns;
    int listen_fd; /* what the client connects to */
    int fill_fd;   /* occupies a server that never answers */
    int server_fd;
    struct lbi_rig_array records;
    struct lbi_rig_array sent; /* what the server has sent; the kernel has the first pushed_size */
    size_t pushed_size;
    size_t read_size;
    struct lbi_rig_array written;  /* what the client has written */
    struct lbi_rig_array received; /* and what has come of it at the server */
    size_t consumed_size;
    bool is_writing; /* a client's write has not arrived yet */
    bool is_connected;
    bool is_shut;
    bool is_closed;
    bool is_server_ended;
    bool is_server_closed;
    bool is_reset;
    bool is_end_pushed;
};

struct lb_rig {
    struct lb_stage stage; /* first */
    struct lb_runtime runtime;
    struct lb_network network;
    struct lb_memory memory;    /* the world's, under a lock of its own */
    struct lb_mutex allocating; /* that lock */
    struct lb_network *inner;   /* lb_network_tcp */
    struct lb_world *world;
    struct lb_mutex lock;
    struct lb_cond changed; /* the world is quiet, or a thread has ended */
    atomic_uint_fast64_t now_ns;
    uint64_t waits;
    struct lbi_rig_worker *workers[LB_SIM_WORKERS_MAX];
    uint32_t worker_count;
    struct lbi_rig_conn *conns[LB_NET_CONNS_MAX];
    uint32_t conn_count;
    uint32_t sequence;
    uint64_t seed; /* of the chaos; 0: none */
    bool is_over;  /* nobody is to wait any more */
    char failure[160];
};

/* -- rig.c -- */

/* lbi_rig_self: the worker that calls; NULL: the thread that runs the world. */
struct lbi_rig_worker *lbi_rig_self(void);
void lbi_rig_lock(struct lb_rig *rig);
void lbi_rig_unlock(struct lb_rig *rig);

/* lbi_rig_point: a call into the runtime or the network begins, without the rig's lock. */
void lbi_rig_point(struct lb_rig *rig, enum lb_site site);

/* lbi_rig_start: makes a worker and starts its thread; with the lock. Errors: LB_MEMORY. */
enum lb_status lbi_rig_start(struct lb_rig *rig, const struct lb_worker_options *options,
                             bool is_own, struct lbi_rig_worker **ret_worker);

/* lbi_rig_begin_wait: the calling worker waits from now on; with the lock. */
void lbi_rig_begin_wait(struct lb_rig *rig, enum lbi_rig_wait wait, const void *queue,
                        uint64_t deadline_ns, enum lb_site site);

/* lbi_rig_wait: the same, and until somebody has ended the wait. Whether that was its deadline. */
bool lbi_rig_wait(struct lb_rig *rig, enum lbi_rig_wait wait, const void *queue,
                  uint64_t deadline_ns, enum lb_site site);

/* lbi_rig_wake: ends all waits of that kind for `queue`; with the lock. */
void lbi_rig_wake(struct lb_rig *rig, enum lbi_rig_wait wait, const void *queue);

/* -- rig_runtime.c -- */

extern const struct lb_runtime_ops lbi_rig_runtime_ops;

/* -- rig_net.c -- */

extern const struct lb_network_ops lbi_rig_network_ops;

/* lbi_rig_is_readable: whether a read of the connection's client would return. */
bool lbi_rig_is_readable(const struct lbi_rig_conn *conn);

/* The server's side, as stage.h has it. */
void lbi_rig_input(struct lb_stage *stage, const struct lb_peer *peer, const uint8_t **ret_bytes,
                   size_t *ret_size);
enum lb_status lbi_rig_wait_input(struct lb_stage *stage, struct lb_peer *peer, size_t size,
                                  enum lb_site site);
void lbi_rig_consume(struct lb_stage *stage, struct lb_peer *peer, size_t size);
enum lb_status lbi_rig_send(struct lb_stage *stage, struct lb_peer *peer, const void *bytes,
                            size_t size, enum lb_site site);
void lbi_rig_end(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site);
void lbi_rig_close(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site);
void lbi_rig_reset(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site);
uint32_t lbi_rig_sequence(struct lb_stage *stage);
size_t lbi_rig_log_count(struct lb_stage *stage);
void lbi_rig_log(struct lb_stage *stage, size_t index, struct lb_net_log *ret_log);
ptrdiff_t lbi_rig_log_of(struct lb_stage *stage, const void *queue);

/* lbi_rig_forget: closes what is left of all connections, and releases them; all threads have ended. */
void lbi_rig_forget(struct lb_rig *rig);

#endif
