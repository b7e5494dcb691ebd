/* A Vulkan driver that lies beside Chromium under the name of SwiftShader's, and passes every call on to Mesa's lavapipe.
   This library is linked with that, and the run path names its folder: so what lavapipe needs is found there, too.

   Chromium's software WebGPU adapter is SwiftShader only: the library is found by its file name, and of its devices only
   those with SwiftShader's ids are taken. So the ids are the first thing that is changed on the way.

   The second is for tests. Mesa unrolls a loop of up to 32 rounds. Where it holds a barrier, each copy is a point where a
   lane may wait, and the time that LLVM takes for those grows with their square. With SOTTO_KEEP_LOOPS set, each loop of
   a shader says that it is to stay one: kernels compile in half the time or less, and run slower.

   The few structures that are needed are declared here, as the Vulkan specification lays them out: this compiles where
   its headers are not installed. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef void (*Function)(void);
typedef Function (*Lookup)(void *owner, const char *name);

/* The head of VkPhysicalDeviceProperties. */
struct Properties {
    uint32_t api_version, driver_version, vendor, device;
};

struct Properties2 {
    uint32_t type;
    void *next;
    struct Properties properties;
};

/* VkShaderModuleCreateInfo; the size is in bytes. */
struct Module {
    uint32_t type;
    const void *next;
    uint32_t flags;
    size_t size;
    const uint32_t *code;
};

/* SPIR-V: a header of five words, then instructions, each with its length in words and its opcode in the first. */
enum { HEADER = 5, OP_LOOP_MERGE = 246, LOOP_CONTROL = 3, UNROLL = 1, DONT_UNROLL = 2 };

static void (*get_properties)(void *, struct Properties *);
static void (*get_properties2)(void *, struct Properties2 *);
static int (*create_module)(void *, const struct Module *, const void *, uint64_t *);
static Lookup of_device;

static void rename_device(struct Properties *properties) {
    properties->vendor = 0x1AE0;
    properties->device = 0xC0DE;
}

static void properties(void *device, struct Properties *out) {
    get_properties(device, out);
    rename_device(out);
}

static void properties2(void *device, struct Properties2 *out) {
    get_properties2(device, out);
    rename_device(&out->properties);
}

static int module_with_loops(void *device, const struct Module *given, const void *allocator, uint64_t *out) {
    uint32_t *code = malloc(given->size);
    if (!code) return create_module(device, given, allocator, out);
    memcpy(code, given->code, given->size);
    const size_t words = given->size / 4;
    for (size_t at = HEADER; at < words;) {
        const uint32_t length = code[at] >> 16, opcode = code[at] & 0xFFFF;
        if (length == 0) break;
        if (opcode == OP_LOOP_MERGE && length > LOOP_CONTROL && at + LOOP_CONTROL < words)
            code[at + LOOP_CONTROL] = (code[at + LOOP_CONTROL] & ~UNROLL) | DONT_UNROLL;
        at += length;
    }
    struct Module changed = *given;
    changed.code = code;
    const int result = create_module(device, &changed, allocator, out);
    free(code);
    return result;
}

static Function in_driver(const char *name) {
    static void *driver;
    /* It is loaded already. Its functions have the names of those here, so they are looked up and not linked. */
    if (!driver) driver = dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL);
    if (!driver) fprintf(stderr, "%s\n", dlerror());
    return driver ? (Function)dlsym(driver, name) : NULL;
}

static Function device_function(void *device, const char *name);

/* `found`, or what stands in front of it here. */
static Function replace(const char *name, Function found) {
    if (!found) return NULL;
    if (!strcmp(name, "vkGetPhysicalDeviceProperties")) {
        get_properties = (void *)found;
        return (Function)properties;
    }
    if (!strcmp(name, "vkGetPhysicalDeviceProperties2") || !strcmp(name, "vkGetPhysicalDeviceProperties2KHR")) {
        get_properties2 = (void *)found;
        return (Function)properties2;
    }
    if (!strcmp(name, "vkGetDeviceProcAddr")) {
        of_device = (Lookup)found;
        return (Function)device_function;
    }
    if (!strcmp(name, "vkCreateShaderModule") && getenv("SOTTO_KEEP_LOOPS")) {
        create_module = (void *)found;
        return (Function)module_with_loops;
    }
    return found;
}

static Function device_function(void *device, const char *name) {
    return replace(name, of_device(device, name));
}

/* What Vulkan's loader asks of a driver. */
EXPORT Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    const Lookup lookup = (Lookup)in_driver("vk_icdGetInstanceProcAddr");
    return lookup ? replace(name, lookup(instance, name)) : NULL;
}

/* What Chromium asks of it, without a loader. */
EXPORT Function vkGetInstanceProcAddr(void *instance, const char *name) {
    if (!strcmp(name, "vkGetInstanceProcAddr")) return (Function)vkGetInstanceProcAddr;
    return vk_icdGetInstanceProcAddr(instance, name);
}
