/*
 * Files: see files.h. Folders are walked with a list of those still to visit, without recursion.
 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
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

/* Adds the files of one folder to `files` and its folders to `folders`. */
static bool folder_visit(const char *folder, const char *suffix, struct paths *files,
                         struct paths *folders)
{
    DIR *directory = opendir(folder);

    if (directory == NULL) {
        return false;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char *path;

        if (entry->d_name[0] == '.') {
            continue;
        }
        path = files_join(folder, entry->d_name);
        if (files_is_folder(path) && folders->count < FILES_FOLDERS_MAX) {
            paths_add(folders, path);
        } else if (files_is_file(path) && files_has_suffix(path, suffix)) {
            paths_add(files, path);
        }
        free(path);
    }
    closedir(directory);
    return true;
}

bool files_gather(const char *path, const char *suffix, struct paths *ret_paths)
{
    struct paths folders = {0};
    struct paths files = {0};
    bool is_read = true;

    LB_ASSERT(path != NULL);
    LB_ASSERT(suffix != NULL);
    if (files_is_file(path)) {
        paths_add(ret_paths, path);
        return true;
    }
    if (!files_is_folder(path)) {
        return false;
    }
    paths_add(&folders, path);
    for (size_t i = 0; i < folders.count && is_read; i++) {
        is_read = folder_visit(folders.items[i], suffix, &files, &folders);
    }
    paths_sort(&files);
    for (size_t i = 0; i < files.count; i++) {
        paths_add(ret_paths, files.items[i]);
    }
    paths_deinit(&files);
    paths_deinit(&folders);
    return is_read;
}

bool files_read(const char *path, char **ret_bytes, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    char *bytes = NULL;
    size_t size;
    bool is_read = false;

    if (file == NULL) {
        return false;
    }
    if (fstat(fileno(file), &about) != 0) {
        goto cleanup;
    }
    if (!S_ISREG(about.st_mode) || about.st_size > (off_t)FILES_SIZE_MAX) {
        errno = S_ISREG(about.st_mode) ? EFBIG : EISDIR;
        goto cleanup;
    }
    size = (size_t)about.st_size;
    bytes = tool_alloc(size + 1);
    if (size > 0 && fread(bytes, 1, size, file) != size) {
        errno = EIO;
        goto cleanup;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    bytes = NULL;
    is_read = true;
cleanup:
    free(bytes);
    fclose(file);
    return is_read;
}

bool files_write(const char *path, const void *bytes, size_t size)
{
    size_t name_size = strlen(path) + 32;
    char *name = tool_alloc(name_size);
    FILE *file;
    bool is_written;

    snprintf(name, name_size, "%s.new.%ld", path, (long)getpid());
    file = fopen(name, "wb");
    if (file == NULL) {
        free(name);
        return false;
    }
    is_written = size == 0 || fwrite(bytes, 1, size, file) == size;
    is_written = fclose(file) == 0 && is_written;
    is_written = is_written && rename(name, path) == 0;
    if (!is_written) {
        (void)remove(name);
    }
    free(name);
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
