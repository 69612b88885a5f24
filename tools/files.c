/*
 * Files: see files.h. Folders are walked with a list of those still to visit, without recursion.
 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/assert.h"

#define FILES_FOLDERS_MAX 10000 /* folders of one walk */
#define FILES_PATH_MAX 4096

void *tool_alloc(size_t size)
{
    void *block;

    LB_ASSERT(size > 0);
    block = calloc(1, size);
    if (block == NULL) {
        fprintf(stderr, "lastbyte: out of memory\n");
        exit(EXIT_RIG);
    }
    return block;
}

char *tool_copy(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(tool_alloc(size), text, size);
}

void paths_add(struct paths *paths, const char *path)
{
    LB_ASSERT(paths->count <= paths->capacity);
    if (paths->count == paths->capacity) {
        size_t capacity = paths->capacity * 2 + 16;
        char **items = tool_alloc(capacity * sizeof(*items));

        if (paths->count > 0) {
            memcpy(items, paths->items, paths->count * sizeof(*items));
        }
        free(paths->items);
        paths->items = items;
        paths->capacity = capacity;
    }
    paths->items[paths->count++] = tool_copy(path);
}

void paths_deinit(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        free(paths->items[i]);
    }
    free(paths->items);
    *paths = (struct paths){0};
}

static int path_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void paths_sort(struct paths *paths)
{
    if (paths->count > 1) {
        qsort(paths->items, paths->count, sizeof(paths->items[0]), path_compare);
    }
}

bool files_is_folder(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

bool files_is_there(const char *path)
{
    struct stat about;

    return lstat(path, &about) == 0;
}

bool files_is_file(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

bool files_has_suffix(const char *path, const char *suffix)
{
    size_t path_size = strlen(path);
    size_t suffix_size = strlen(suffix);

    return path_size >= suffix_size && strcmp(path + path_size - suffix_size, suffix) == 0;
}

char *files_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = tool_alloc(size);

    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

char *files_stem(const char *path, const char *suffix)
{
    const char *slash = strrchr(path, '/');
    char *stem = tool_copy(slash != NULL ? slash + 1 : path);

    if (files_has_suffix(stem, suffix) && strlen(stem) > strlen(suffix)) {
        stem[strlen(stem) - strlen(suffix)] = '\0';
    }
    return stem;
}

const char *files_short(const char *path)
{
    char here[FILES_PATH_MAX];
    size_t size;

    if (getcwd(here, sizeof(here)) == NULL) {
        return path;
    }
    size = strlen(here);
    if (strncmp(path, here, size) == 0 && path[size] == '/') {
        return path + size + 1;
    }
    return path;
}

/*
 * Adds the files of one folder to `files` and its folders to `folders`. A link to a folder is not
 * followed, so that no walk goes round. What only looks like a wanted file is added, for its reader to
 * complain of: a link to nothing, and if there is a suffix, a folder or a pipe that has it.
 */
static bool folder_visit(const char *folder, const char *suffix, struct paths *files,
                         struct paths *folders)
{
    DIR *directory = opendir(folder);

    if (directory == NULL) {
        fprintf(stderr, "lastbyte: cannot list %s: %s\n", folder, strerror(errno));
        return false;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        struct stat link;
        struct stat about;
        char *path;

        if (entry->d_name[0] == '.') {
            continue;
        }
        path = files_join(folder, entry->d_name);
        bool is_link = lstat(path, &link) == 0 && S_ISLNK(link.st_mode);
        bool is_there = stat(path, &about) == 0;
        bool is_named = files_has_suffix(path, suffix);
        if (is_named && (suffix[0] != '\0' || !is_there || S_ISREG(about.st_mode))) {
            paths_add(files, path);
        } else if (is_there && S_ISDIR(about.st_mode) && !is_link) {
            paths_add(folders, path);
        }
        free(path);
    }
    closedir(directory);
    return true;
}

/* Whether `path` is a file or a folder; a message is printed if it is there and neither. */
static enum files_found path_look(const char *path, bool *ret_is_folder)
{
    struct stat about;

    if (stat(path, &about) != 0) {
        int error = errno;

        if (lstat(path, &about) != 0 && (error == ENOENT || error == ENOTDIR)) {
            return FILES_NONE;
        }
        fprintf(stderr, "lastbyte: cannot read %s: %s\n", path, strerror(error));
        return FILES_FAILED;
    }
    if (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) {
        fprintf(stderr, "lastbyte: %s is neither a file nor a folder\n", path);
        return FILES_FAILED;
    }
    *ret_is_folder = S_ISDIR(about.st_mode);
    return FILES_FOUND;
}

enum files_found files_gather(const char *path, const char *suffix, struct paths *ret_paths)
{
    struct paths folders = {0};
    struct paths files = {0};
    bool is_folder = false;
    bool is_read = true;
    enum files_found found;

    LB_ASSERT(path != NULL);
    LB_ASSERT(suffix != NULL);
    found = path_look(path, &is_folder);
    if (found != FILES_FOUND || !is_folder) {
        if (found == FILES_FOUND) {
            paths_add(ret_paths, path);
        }
        return found;
    }
    paths_add(&folders, path);
    for (size_t i = 0; i < folders.count && is_read; i++) {
        is_read = folder_visit(folders.items[i], suffix, &files, &folders);
        if (is_read && folders.count > FILES_FOLDERS_MAX) {
            fprintf(stderr, "lastbyte: more than %d folders in %s\n", FILES_FOLDERS_MAX, path);
            is_read = false;
        }
    }
    paths_sort(&files);
    for (size_t i = 0; i < files.count; i++) {
        paths_add(ret_paths, files.items[i]);
    }
    paths_deinit(&files);
    paths_deinit(&folders);
    return is_read ? FILES_FOUND : FILES_FAILED;
}

const char *files_part(const char *path)
{
    const char *colon = strrchr(path, ':');
    size_t size = strlen(FILES_PARTED);

    if (colon == NULL || strchr(colon, '/') != NULL || (size_t)(colon - path) <= size ||
        strncmp(colon - size, FILES_PARTED, size) != 0) {
        return NULL;
    }
    return colon + 1;
}

char *files_whole(const char *path)
{
    const char *part = files_part(path);
    char *file = tool_copy(path);

    if (part != NULL) {
        LB_ASSERT(part > path);
        file[part - path - 1] = '\0';
    }
    return file;
}

/* What tells one file, or part of one, from another. */
struct file_key {
    dev_t device;
    ino_t number;
    const char *part; /* "": the whole */
    size_t index;
    bool is_again;
};

static int key_compare(const void *a, const void *b)
{
    const struct file_key *left = a;
    const struct file_key *right = b;

    if (left->device != right->device) {
        return left->device < right->device ? -1 : 1;
    }
    if (left->number != right->number) {
        return left->number < right->number ? -1 : 1;
    }
    int order = strcmp(left->part, right->part);
    if (order != 0) {
        return order;
    }
    return left->index < right->index ? -1 : left->index > right->index;
}

void paths_once(struct paths *paths)
{
    struct file_key *keys = tool_alloc((paths->count + 1) * sizeof(*keys));
    size_t key_count = 0;
    size_t kept = 0;

    for (size_t i = 0; i < paths->count; i++) {
        struct stat about;
        const char *part = files_part(paths->items[i]);
        char *file = files_whole(paths->items[i]);

        if (stat(file, &about) == 0) {
            keys[key_count++] =
                (struct file_key){about.st_dev, about.st_ino, part != NULL ? part : "", i, false};
        }
        free(file);
    }
    qsort(keys, key_count, sizeof(keys[0]), key_compare);
    for (size_t i = 1; i < key_count; i++) {
        keys[i].is_again = keys[i].device == keys[i - 1].device &&
                           keys[i].number == keys[i - 1].number &&
                           strcmp(keys[i].part, keys[i - 1].part) == 0;
    }
    for (size_t i = 0; i < key_count; i++) {
        if (keys[i].is_again) {
            free(paths->items[keys[i].index]);
            paths->items[keys[i].index] = NULL;
        }
    }
    for (size_t i = 0; i < paths->count; i++) {
        if (paths->items[i] != NULL) {
            paths->items[kept++] = paths->items[i];
        }
    }
    paths->count = kept;
    free(keys);
}

bool files_is_same(const char *a, const char *b)
{
    struct stat left;
    struct stat right;

    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

const char *files_reason(const char *path)
{
    int error = errno;
    struct stat about;

    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) {
        return "it is no regular file";
    }
    return strerror(error);
}

/* Opens a file to be read; what is no regular file is refused rather than waited for. */
static FILE *file_open(const char *path, struct stat *ret_about)
{
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FILE *file;

    if (descriptor < 0) {
        return NULL;
    }
    if (fstat(descriptor, ret_about) != 0) {
        goto cleanup;
    }
    if (!S_ISREG(ret_about->st_mode)) {
        errno = S_ISDIR(ret_about->st_mode) ? EISDIR : EINVAL;
        goto cleanup;
    }
    file = fdopen(descriptor, "rb");
    if (file != NULL) {
        return file;
    }
cleanup:;
    int error = errno;
    close(descriptor);
    errno = error;
    return NULL;
}

bool files_read(const char *path, char **ret_bytes, size_t *ret_size)
{
    struct stat about;
    FILE *file = file_open(path, &about);
    char *bytes = NULL;
    size_t size;
    int error = 0;

    if (file == NULL) {
        return false;
    }
    if (about.st_size > (off_t)FILES_SIZE_MAX) {
        error = EFBIG;
        goto cleanup;
    }
    size = (size_t)about.st_size;
    bytes = tool_alloc(size + 1);
    if (size > 0 && fread(bytes, 1, size, file) != size) {
        error = EIO;
        goto cleanup;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    bytes = NULL;
cleanup:
    free(bytes);
    fclose(file);
    errno = error;
    return error == 0;
}

/* Writes and closes a file; false, with errno, if it could not be written whole. */
static bool file_fill(FILE *file, const void *bytes, size_t size)
{
    bool is_written = size == 0 || fwrite(bytes, 1, size, file) == size;

    return fclose(file) == 0 && is_written;
}

/* Writes a new file and gives it the name of the old one, and its mode if there is an old one. */
static bool file_replace(const char *path, const struct stat *old, const void *bytes, size_t size)
{
    size_t name_size = strlen(path) + 32;
    char *name = tool_alloc(name_size);
    bool is_written = false;
    FILE *file;

    snprintf(name, name_size, "%s.new.%ld", path, (long)getpid());
    file = fopen(name, "wbx");
    if (file != NULL) {
        bool is_alike = old == NULL || fchmod(fileno(file), old->st_mode & 07777) == 0;

        is_written = file_fill(file, bytes, size) && is_alike && rename(name, path) == 0;
        if (!is_written) {
            int error = errno;

            (void)remove(name);
            errno = error;
        }
    }
    free(name);
    return is_written;
}

bool files_write(const char *path, const void *bytes, size_t size)
{
    struct stat about;
    bool is_there = stat(path, &about) == 0;
    char *target = is_there ? realpath(path, NULL) : NULL;
    bool is_written = false;

    if (is_there && S_ISREG(about.st_mode) && target != NULL) {
        is_written = access(target, W_OK) == 0 && file_replace(target, &about, bytes, size);
    } else if (!is_there && lstat(path, &about) != 0) {
        is_written = file_replace(path, NULL, bytes, size);
    } else { /* a device, a pipe, a link to nothing: written through, never replaced */
        FILE *file = fopen(path, "wb");

        is_written = file != NULL && file_fill(file, bytes, size);
    }
    free(target);
    return is_written;
}

bool files_make_folder(const char *path)
{
    char *part = tool_copy(path);
    bool is_made = true;

    for (char *slash = part + 1; is_made && *slash != '\0'; slash++) {
        if (*slash != '/') {
            continue;
        }
        *slash = '\0';
        is_made = mkdir(part, 0777) == 0 || errno == EEXIST;
        *slash = '/';
    }
    is_made = is_made && (mkdir(part, 0777) == 0 || errno == EEXIST) && files_is_folder(part);
    free(part);
    return is_made;
}
