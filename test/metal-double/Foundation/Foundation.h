// The part of Apple's Foundation that metal_device.mm uses, declared as Apple documents it, so that clang can read that file
// where there is no Mac. Nothing is defined: it is never linked.
#pragma once
#include <cstddef>
#include <cstdint>

using NSUInteger = unsigned long;
using NSInteger = long;
using BOOL = signed char;
#define YES ((BOOL)1)
#define NO ((BOOL)0)
#define nil nullptr
#define NS_ENUM(type, name) enum name : type name; enum name : type
#define NS_OPTIONS(type, name) type name; enum : type

@protocol NSObject
@end
@protocol NSCopying
@end

__attribute__((objc_root_class)) @interface NSObject <NSObject>
+ (instancetype)alloc;
- (instancetype)init;
@end

@interface NSString : NSObject <NSCopying>
+ (instancetype)stringWithUTF8String:(const char*)text;
@property(readonly) const char* UTF8String;
- (BOOL)isEqualToString:(NSString*)other;
@end

@interface NSDictionary<Key, Value> : NSObject
+ (instancetype)dictionaryWithObjects:(const Value[])values forKeys:(const id<NSCopying>[])keys count:(NSUInteger)count;
@end

using NSErrorDomain = NSString*;
@interface NSError : NSObject
@property(readonly, copy) NSString* localizedDescription;
@property(readonly, copy) NSErrorDomain domain;
@property(readonly) NSInteger code;
@end
