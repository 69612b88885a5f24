/*
 * The body of a request, from a file or from standard input; see lastbyte/source.h.
 *
 * A read may wait for as long as a pipe's other end likes. `close` comes from another thread and has to end
 * it, so a read waits for the file and for an event that `close` sets.
 */
#include "core/assert.h"
#include "files.h"
#include "get.h"
#include "lastbyte/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

struct get_source {
    struct lb_source base;
    int fd;
    int closed_fd; /* readable once the source is closed */
    struct get_source *next;
};

static struct get_source *source_of(struct lb_source *base)
{
    LB_ASSERT(base != NULL);
    return (struct get_source *)(void *)base;
}

static enum lb_status source_read(struct lb_source *base, void *bytes, size_t size,
                                  size_t *ret_size)
{
    struct get_source *source = source_of(base);
    struct pollfd fds[2] = {{.fd = source->fd, .events = POLLIN},
                            {.fd = source->closed_fd, .events = POLLIN}};
    ssize_t count;

    LB_ASSERT(size > 0);
    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return LB_SOURCE;
        }
        if (fds[1].revents != 0) {
            return LB_CLOSED;
        }
        count = read(source->fd, bytes, size);
        if (count >= 0) {
            break;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return LB_SOURCE;
        }
    }
    *ret_size = (size_t)count;
    return count == 0 ? LB_END : LB_OK;
}

static void source_close(struct lb_source *base)
{
    const uint64_t one = 1;

    if (write(source_of(base)->closed_fd, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
        LB_UNREACHABLE("an event counts to more than one");
    }
}

static enum lb_status source_rewind(struct lb_source *base)
{
    return lseek(source_of(base)->fd, 0, SEEK_SET) == 0 ? LB_OK : LB_SOURCE;
}

static const struct lb_source_ops file_ops = {source_read, source_close, source_rewind};
static const struct lb_source_ops pipe_ops = {source_read, source_close, NULL};

bool get_source_new(const char *path, struct get_source **ret_source, uint64_t *ret_size)
{
    bool is_input = strcmp(path, "-") == 0;
    int fd = is_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;

    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &about) != 0 || S_ISDIR(about.st_mode)) {
        close(fd);
        errno = EISDIR;
        return false;
    }
    int closed_fd = eventfd(0, EFD_CLOEXEC);
    if (closed_fd < 0) {
        close(fd);
        return false;
    }
    /* Standard input may have been read from already: only a file of our own has a size. */
    bool is_file = S_ISREG(about.st_mode) && !is_input;
    struct get_source *source = tool_alloc(sizeof(*source));
    source->base.ops = is_file ? &file_ops : &pipe_ops;
    source->fd = fd;
    source->closed_fd = closed_fd;
    *ret_source = source;
    *ret_size = is_file ? (uint64_t)about.st_size : LB_SIZE_UNKNOWN;
    return true;
}

struct lb_source *get_source_base(struct get_source *source)
{
    LB_ASSERT(source != NULL);
    return &source->base;
}

void get_source_free(struct get_source **source)
{
    if (*source != NULL) {
        close((*source)->fd);
        close((*source)->closed_fd);
        free(*source);
        *source = NULL;
    }
}

void get_source_keep(struct get *get, struct get_source *source)
{
    uv_mutex_lock(&get->lock);
    source->next = get->sources;
    get->sources = source;
    uv_mutex_unlock(&get->lock);
}

void get_source_free_all(struct get *get)
{
    while (get->sources != NULL) {
        struct get_source *source = get->sources;

        get->sources = source->next;
        get_source_free(&source);
    }
}
