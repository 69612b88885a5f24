/*
 * The socket of an upgraded connection (RFC 9110 section 7.8): what its caller takes out of the
 * transport. It wraps the connection's own socket, and reads first what had arrived behind the head.
 *
 * From the hand-over on the connection has no socket and ends; nothing of the transport looks at this
 * one again, except to close it if nobody has taken it.
 */
#include <stddef.h>
#include <string.h>

#include "core/assert.h"
#include "life/life.h"

#define UPGRADE_MAGIC 0x75706772u

struct upgrade {
    struct lb_socket socket; /* first */
    uint32_t magic;
    struct lb_memory *memory;
    struct lb_socket *inner;
    uint32_t start, end; /* of the bytes that are still to be read */
    uint32_t size;       /* of the block */
    char bytes[];
};

static struct upgrade *upgrade_of(struct lb_socket *socket)
{
    struct upgrade *upgrade = (struct upgrade *)(void *)socket;
    LBI_CHECK_MAGIC(upgrade, UPGRADE_MAGIC);
    return upgrade;
}

static const char *upgrade_name(const struct lb_socket *socket)
{
    const struct upgrade *upgrade = (const struct upgrade *)(const void *)socket;
    LBI_CHECK_MAGIC(upgrade, UPGRADE_MAGIC);
    return upgrade->inner->ops->name(upgrade->inner);
}

/* upgrade_connect: it is connected; a second connect is a programmer's error. */
static enum lb_status upgrade_connect(struct lb_socket *socket, uint64_t deadline_ns,
                                      enum lb_site site)
{
    (void)deadline_ns;
    (void)site;
    LB_ASSERT(socket == NULL);
    return LB_REFUSED;
}

static enum lb_status upgrade_read(struct lb_socket *socket, void *bytes, size_t size,
                                   uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct upgrade *upgrade = upgrade_of(socket);
    if (upgrade->start == upgrade->end) {
        return upgrade->inner->ops->read(upgrade->inner, bytes, size, deadline_ns, site, ret_size);
    }
    size_t left = upgrade->end - upgrade->start;
    size_t taken = size < left ? size : left;
    if (taken > 0) {
        memcpy(bytes, upgrade->bytes + upgrade->start, taken);
        upgrade->start += (uint32_t)taken;
    }
    *ret_size = taken;
    return LB_OK;
}

static enum lb_status upgrade_write(struct lb_socket *socket, const void *bytes, size_t size,
                                    uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct upgrade *upgrade = upgrade_of(socket);
    return upgrade->inner->ops->write(upgrade->inner, bytes, size, deadline_ns, site, ret_size);
}

static bool upgrade_is_pending(const struct lb_socket *socket)
{
    const struct upgrade *upgrade = (const struct upgrade *)(const void *)socket;
    LBI_CHECK_MAGIC(upgrade, UPGRADE_MAGIC);
    return upgrade->start < upgrade->end || upgrade->inner->ops->is_pending(upgrade->inner);
}

static void upgrade_shutdown(struct lb_socket *socket, enum lb_site site)
{
    struct upgrade *upgrade = upgrade_of(socket);
    upgrade->inner->ops->shutdown(upgrade->inner, site);
}

static void upgrade_close(struct lb_socket **socket, enum lb_site site)
{
    struct upgrade *upgrade = upgrade_of(*socket);
    *socket = NULL;
    upgrade->inner->ops->close(&upgrade->inner, site);
    upgrade->magic = 0;
    upgrade->memory->release(upgrade->memory, upgrade, upgrade->size);
}

static const struct lb_socket_ops upgrade_ops = {
    .name = upgrade_name,
    .connect = upgrade_connect,
    .read = upgrade_read,
    .write = upgrade_write,
    .is_pending = upgrade_is_pending,
    .shutdown = upgrade_shutdown,
    .close = upgrade_close,
};

enum lb_status lbi_upgrade_new(struct lbi_connection *c, struct lb_socket **ret_socket)
{
    LB_ASSERT(c->transport->is_locked);
    LB_ASSERT(c->is_write_done);
    struct lb_memory *memory = c->transport->memory;
    uint32_t left = c->input_end - c->input_start;
    uint32_t size = (uint32_t)sizeof(struct upgrade) + left;
    struct upgrade *upgrade = memory->alloc(memory, size);
    if (upgrade == NULL) {
        return LB_MEMORY;
    }
    *upgrade = (struct upgrade){.socket = {&upgrade_ops},
                                .magic = UPGRADE_MAGIC,
                                .memory = memory,
                                .inner = c->socket,
                                .end = left,
                                .size = size};
    if (left > 0) {
        memcpy(upgrade->bytes, c->input + c->input_start, left);
    }
    *ret_socket = &upgrade->socket;
    return LB_OK;
}
